// Hooks: parts of the client's state that draw again when they change, and what may be done about them.
// On a server, and for the first drawing in the browser, they tell of a chat that has not begun.
import { useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { Client, ClientEvents, ClientState, Connection, ConversationOverview, Identity, Message, OutgoingBody, User, UserPatch } from "@portico/webchat";
import { WidgetContext, type UiState, type Widget } from "@portico/webchat-view";
import type { Settings } from "@portico/webchat-view/config/settings.ts";
import { loadExtras } from "@portico/webchat-view/parts.ts";
import type { ComposerState } from "./types.ts";

function useWidget(): Widget {
  const widget = useContext(WidgetContext);
  if (!widget) throw new Error("a Portico webchat hook or component stands outside of its provider; wrap it in <PorticoProvider>");
  return widget;
}

const BLANK: ClientState = {
  connection: { state: "idle", attempt: 0 },
  user: null,
  conversationId: null,
  conversations: [],
  messages: [],
  history: { loaded: false, loading: false, more: false },
  typing: null,
  unread: 0,
  limits: { frame: 65_536, text: 4000, file: 20 * 1024 * 1024 },
  config: null,
  outboxFull: false,
};

/** Part of the client's state. `part` is cheap, pure, and gives the same object while nothing has changed. */
function useClientState<T>(part: (state: ClientState) => T): T {
  const { client } = useWidget();
  return useSyncExternalStore(client.subscribe, () => part(client.getState()), () => part(BLANK));
}

function useUi<T>(part: (ui: UiState) => T, blank: T): T {
  const { ui } = useWidget();
  return useSyncExternalStore(ui.subscribe, () => part(ui.get()), () => blank);
}

/** The headless client below the provider: everything that has no hook of its own. */
export function useClient(): Client {
  return useWidget().client;
}

/** Tells `listener` of one kind of event while mounted. */
export function useClientEvent<E extends keyof ClientEvents>(event: E, listener: (payload: ClientEvents[E]) => void): void {
  const client = useClient();
  const newest = useRef(listener);
  useEffect(() => {
    newest.current = listener;
  });
  useEffect(() => client.on(event, (payload) => newest.current(payload)), [client, event]);
}

/** The panel, the launcher and the settings in force. */
export function useWebchat(): {
  readonly isOpen: boolean;
  readonly settings: Settings;
  open(): void;
  close(): void;
  toggle(): void;
  /** Whether `Fab` and the launcher of `Webchat` are there. */
  readonly launcher: boolean;
  setLauncher(shown: boolean): void;
} {
  const widget = useWidget();
  const isOpen = useUi((ui) => ui.open, false);
  const launcher = useUi((ui) => ui.launcher, true);
  const look = useSyncExternalStore(widget.look.subscribe, widget.look.get, widget.look.get);
  const actions = useMemo(() => ({
    open: () => widget.open(),
    close: () => widget.close(),
    toggle: () => widget.toggle(),
    setLauncher: (shown: boolean) => widget.ui.set({ launcher: shown }),
  }), [widget]);
  return { isOpen, launcher, settings: look.settings, ...actions };
}

/** The active conversation. */
export function useConversation(): {
  /** Null before the first message. */
  readonly id: string | null;
  sendMessage(message: string | OutgoingBody, options?: { replyTo?: string }): { id: string };
  sendFile(file: File): Promise<{ id: string }>;
  /** Resolves when the gateway has stored it. */
  sendEvent(name: string, data?: unknown): Promise<void>;
  newConversation(): Promise<{ id: string }>;
  switchConversation(id: string): Promise<void>;
  transcript(format?: "txt" | "json" | "html"): Promise<Blob>;
  markRead(): void;
} {
  const client = useClient();
  const id = useClientState((state) => state.conversationId);
  const actions = useMemo(() => ({
    sendMessage: (message: string | OutgoingBody, options?: { replyTo?: string }) => client.sendMessage(message, options),
    sendFile: (file: File) => client.sendFile(file),
    sendEvent: (name: string, data?: unknown) => client.sendEvent(name, data),
    newConversation: () => client.newConversation(),
    switchConversation: (other: string) => client.switchConversation(other),
    transcript: (format?: "txt" | "json" | "html") => client.transcript(format),
    markRead: () => client.markRead(),
  }), [client]);
  return { id, ...actions };
}

/** Messages of the active conversation, in order; own ones are there before they are sent. */
export function useMessages(): {
  readonly messages: readonly Message[];
  /** The newest page has come. */
  readonly loaded: boolean;
  readonly loading: boolean;
  /** Older ones can be had by `loadMore`. */
  readonly hasMore: boolean;
  loadMore(): Promise<void>;
  /** Sends a failed message again; `discard` forgets it. By `cid`. */
  retry(id: string): void;
  discard(id: string): void;
} {
  const client = useClient();
  const messages = useClientState((state) => state.messages);
  const history = useClientState((state) => state.history);
  const actions = useMemo(() => ({
    loadMore: () => client.loadMore(),
    retry: (id: string) => client.retry(id),
    discard: (id: string) => client.discard(id),
  }), [client]);
  return { messages, loaded: history.loaded, loading: history.loading, hasMore: history.more, ...actions };
}

/** Where the link to the gateway stands. */
export function useConnection(): Connection {
  return useClientState((state) => state.connection);
}

/** Who the visitor is. */
export function useUser(): {
  /** Null until the gateway has answered. */
  readonly user: User | null;
  updateUser(patch: UserPatch): Promise<void>;
  identify(token: Identity): Promise<void>;
  logout(): Promise<void>;
} {
  const client = useClient();
  const user = useClientState((state) => state.user);
  const actions = useMemo(() => ({
    updateUser: (patch: UserPatch) => client.updateUser(patch),
    identify: (token: Identity) => client.identify(token),
    logout: () => client.logout(),
  }), [client]);
  return { user, ...actions };
}

/** The visitor's conversations, newest first; asked for when this is first drawn. */
export function useConversations(): {
  readonly conversations: readonly ConversationOverview[];
  readonly current: string | null;
  readonly loading: boolean;
  /** Why the list could not be had. */
  readonly error: Error | null;
  reload(): Promise<void>;
  newConversation(): Promise<{ id: string }>;
  switchConversation(id: string): Promise<void>;
  deleteConversation(id: string): Promise<void>;
} {
  const client = useClient();
  const conversations = useClientState((state) => state.conversations);
  const current = useClientState((state) => state.conversationId);
  const [asked, setAsked] = useState<{ loading: boolean; error: Error | null }>({ loading: true, error: null });
  const here = useRef(false);
  const reload = useCallback(async () => {
    // A visitor without a session has no conversations yet.
    if (client.getState().user === null && !client.hasSession()) return setAsked({ loading: false, error: null });
    setAsked((before) => (before.loading ? before : { ...before, loading: true }));
    const error = await client.listConversations().then(() => null, (reason: unknown) => (reason instanceof Error ? reason : new Error(String(reason))));
    if (here.current) setAsked({ loading: false, error });
  }, [client]);
  // Asked for again when the visitor is known, or is somebody else.
  const known = useClientState((state) => state.user?.id ?? null);
  useEffect(() => {
    here.current = true;
    void reload();
    return () => {
      here.current = false;
    };
  }, [reload, known]);
  const actions = useMemo(() => ({
    newConversation: () => client.newConversation(),
    switchConversation: (id: string) => client.switchConversation(id),
    deleteConversation: (id: string) => client.deleteConversation(id),
  }), [client]);
  return { conversations, current, ...asked, reload, ...actions };
}

/** Who else is typing; null = nobody. The bot's name is that of the settings. */
export function useTyping(): { readonly name: string } | null {
  const { look } = useWidget();
  const typing = useClientState((state) => state.typing);
  const by = typing?.by;
  const bot = useSyncExternalStore(look.subscribe, () => look.get().settings.botName, () => look.get().settings.botName);
  return useMemo(() => (typing ? { name: by === undefined || by === "" || by === "bot" ? bot : by } : null), [typing, by, bot]);
}

/** Messages of others that were not read, in all conversations known here. */
export function useUnread(): number {
  return useClientState((state) => state.unread);
}

const NO_FILES: UiState["files"] = [];

/** What is being written. */
export function useComposer(): ComposerState {
  const widget = useWidget();
  const { client, ui } = widget;
  const text = useUi((state) => state.draft, "");
  const files = useUi((state) => state.files, NO_FILES);
  const notice = useUi((state) => state.notice, null);
  const limit = useClientState((state) => state.limits.text);
  const closed = useClientState((state) => state.connection.state === "stopped" || state.outboxFull || waitsForOption(state.messages));
  const streaming = useClientState((state) => state.messages.some((message) => message.draft === "streaming"));
  const over = text.length - limit;
  const ready = !closed && over <= 0 && (text.trim() !== "" || files.length > 0);
  const saved = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const actions = useMemo(() => ({
    setText(next: string) {
      ui.set({ draft: next, notice: null });
      clearTimeout(saved.current);
      saved.current = setTimeout(() => client.shared.set("draft", next === "" ? undefined : next), 400);
      client.typing(next !== "");
    },
    addFiles(chosen: readonly File[]) {
      void loadExtras().then((extras) => extras.addFiles(widget, chosen), () => undefined);
    },
    removeFile(key: string) {
      const gone = ui.get().files.find((pending) => pending.key === key);
      if (gone?.preview !== undefined) URL.revokeObjectURL(gone.preview);
      ui.set({ files: ui.get().files.filter((pending) => pending.key !== key), notice: null });
    },
    stop: () => client.stop(),
  }), [widget, client, ui]);
  const send = (): boolean => {
    const { draft, files: chosen } = ui.get();
    const words = draft.trim();
    if (closed || draft.length > limit || (words === "" && chosen.length === 0)) return false;
    if (words !== "" && !widget.send(words)) return false;
    clearTimeout(saved.current);
    for (const { preview } of chosen) if (preview !== undefined) URL.revokeObjectURL(preview);
    ui.set({ draft: "", files: [] });
    client.shared.set("draft", undefined);
    if (chosen.length > 0) void widget.sendFiles(chosen.map(({ file }) => file));
    return true;
  };
  return { text, files, notice, over, ready, disabled: closed, streaming, send, ...actions };
}

/** Whether the last question takes nothing but its options. */
function waitsForOption(messages: readonly Message[]): boolean {
  for (let i = messages.length - 1; i >= 0; i--) {
    const message = messages[i];
    if (!message || message.body.type === "system") continue;
    const { body } = message;
    return message.from !== "user" && (body.type === "choice" || body.type === "dropdown") && body.disableFreeText === true;
  }
  return false;
}
