// A client without a gateway: the state is what a test says, the calls are what the view made.
import type { AnyEvent, Client, ClientEvents, ClientState, ConversationOverview, Message } from "@portico/webchat";

export interface FakeClient extends Client {
  /** What the view has called, oldest first. */
  readonly calls: [string, ...unknown[]][];
  set(patch: Partial<ClientState>): void;
  emit<E extends keyof ClientEvents>(event: E, payload: ClientEvents[E]): void;
  /** The next `sendMessage` throws this. */
  refuse: unknown;
}

export const IDLE: ClientState = {
  connection: { state: "open", attempt: 0, transport: "ws" },
  user: { id: "u1", verified: false },
  conversationId: "c1",
  conversations: [],
  messages: [],
  history: { loaded: true, loading: false, more: false },
  typing: null,
  unread: 0,
  limits: { frame: 65536, text: 4000, file: 20_971_520 },
  config: null,
  outboxFull: false,
};

export function fakeClient(initial: Partial<ClientState> = {}, conversations: readonly ConversationOverview[] = []): FakeClient {
  let state: ClientState = { ...IDLE, ...initial };
  const watchers = new Set<() => void>();
  const listeners = new Map<string, Set<(payload: never) => void>>();
  const shared = new Map<string, unknown>();
  const calls: [string, ...unknown[]][] = [];
  const on = (event: string, run: (payload: never) => void) => {
    const set = listeners.get(event) ?? new Set();
    listeners.set(event, set);
    set.add(run);
    return () => set.delete(run);
  };
  const told = (name: string) => (...args: unknown[]) => {
    calls.push([name, ...args]);
    return Promise.resolve(undefined as never);
  };
  const client = {
    calls,
    refuse: undefined,
    mode: "messaging",
    channel: "test",
    clientId: "test",
    apiUrl: "https://gateway.test",
    userId: "u1",
    get conversationId() {
      return state.conversationId;
    },
    shared: {
      get: (key: string) => shared.get(key),
      set: (key: string, value: unknown) => void shared.set(key, value),
      watch: () => () => undefined,
    },
    set(patch: Partial<ClientState>) {
      state = { ...state, ...patch };
      for (const run of [...watchers]) run();
    },
    emit(event: keyof ClientEvents, payload: never) {
      for (const run of listeners.get(event) ?? []) run(payload);
      for (const run of listeners.get("*") ?? []) run({ type: event, payload } as AnyEvent as never);
    },
    getState: () => state,
    subscribe(run: () => void) {
      watchers.add(run);
      return () => watchers.delete(run);
    },
    on,
    once: on,
    off: (event: string, run: (payload: never) => void) => void listeners.get(event)?.delete(run),
    hasSession: () => false,
    sendMessage(message: unknown, options: unknown) {
      if (client.refuse !== undefined) throw client.refuse;
      calls.push(["sendMessage", message, options]);
      return { id: "cid00001" };
    },
    getUser: () => state.user,
    listConversations() {
      calls.push(["listConversations"]);
      client.set({ conversations });
      return Promise.resolve(conversations);
    },
    newConversation: () => (calls.push(["newConversation"]), Promise.resolve({ id: "c2" })),
    transcript: () => Promise.resolve(new Blob(["hello"])),
    retry: (id: string) => void calls.push(["retry", id]),
    markRead: (seq?: number) => void calls.push(["markRead", seq]),
    typing: (isOn?: boolean) => void calls.push(["typing", isOn]),
    stop: () => void calls.push(["stop"]),
    setLocale: (tag: string) => void calls.push(["setLocale", tag]),
    setStorage: (mode: string) => void calls.push(["setStorage", mode]),
    destroy: () => void calls.push(["destroy"]),
    ...Object.fromEntries(["connect", "sendFile", "sendEvent", "feedback", "loadMore", "switchConversation", "deleteConversation", "updateUser", "identify", "logout", "listMessages", "conversationExists"].map((name) => [name, told(name)])),
  } as unknown as FakeClient;
  return client;
}

let count = 0;

/** A message with what a test does not care about filled in. */
export function message(from: Message["from"], body: Message["body"], more: Partial<Message> = {}): Message {
  count += 1;
  return { key: `k${count}`, id: `m${count}`, conv: "c1", seq: count, from, own: from === "user", ts: Date.now() - 60_000, body, ...(from === "user" ? { status: "read" as const } : {}), ...more };
}
