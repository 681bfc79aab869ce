/**
 * The public face of the headless client: options, state, events and methods.
 *
 * Nothing here runs. `client.ts` implements `Client`; views and frameworks need only this file's types.
 */
import type { Limits, PageInfo, User, UserPatch } from "./frames.ts";
import type { Message, MessageStatus, OutgoingBody } from "./messages.ts";

/**
 * Where the link to the gateway stands.
 * `idle`: not wanted (yet, or the tab sleeps). `connecting`: first frames under way. `open`: welcomed.
 * `waiting`: lost, next try in `retryInMs`. `stopped`: the gateway refused for good; `code` says why.
 */
export interface Connection {
  readonly state: "idle" | "connecting" | "open" | "waiting" | "stopped";
  /** Tries since the link was last stable; 0 while it is. */
  readonly attempt: number;
  readonly retryInMs?: number;
  /** Which road is in use. */
  readonly transport?: "ws" | "sse" | "poll";
  /** Close code (4400 …), for `waiting` and `stopped`. */
  readonly code?: number;
}

/** One line of the list of conversations. */
export interface ConversationOverview {
  readonly id: string;
  readonly title?: string;
  /** Milliseconds since 1970 of the last thing said. */
  readonly updatedAt: number;
  readonly last?: Message;
  readonly unread: number;
}

/** Somebody other than the visitor is typing in the active conversation. */
export interface Typing {
  /** Who, as the gateway names them: `bot`, or an agent's name. */
  readonly by?: string;
}

/** How much of the active conversation's past is loaded. */
export interface HistoryState {
  /** True once the newest page is there. */
  readonly loaded: boolean;
  readonly loading: boolean;
  /** Older messages can be had by `loadMore`. */
  readonly more: boolean;
}

/** Everything a view shows. Each change makes a new object and keeps untouched parts identical. */
export interface ClientState {
  readonly connection: Connection;
  readonly user: User | null;
  /** The active conversation; null before the first message. */
  readonly conversationId: string | null;
  readonly conversations: readonly ConversationOverview[];
  /** Of the active conversation, in order: stored ones by `seq`, then drafts and what is still being sent. */
  readonly messages: readonly Message[];
  readonly history: HistoryState;
  readonly typing: Typing | null;
  /** Messages of others after the read mark, in all conversations known here. */
  readonly unread: number;
  readonly limits: Limits;
  /** The channel's public configuration, once known. */
  readonly config: ChannelConfig | null;
  /** The outbox takes no more until something was sent. */
  readonly outboxFull: boolean;
}

/** Part of `GET /webchat/v1/channels/{channel}/config` that the headless client reads; views read more. */
export interface ChannelConfig {
  readonly channel?: string;
  readonly name?: string;
  /** The channel wants to know when the visitor types. */
  readonly typing?: boolean;
  /** The channel wants to know the page the visitor is on. */
  readonly page?: boolean;
  readonly limits?: Partial<Limits>;
  readonly upload?: {
    readonly enabled?: boolean;
    readonly maxBytes?: number;
    /** As of an `<input accept>`: `image/*`, `.pdf`, `text/plain`. */
    readonly accept?: readonly string[] | string;
    readonly maxFiles?: number;
  };
  readonly [key: string]: unknown;
}

/** Where session, cursors and outbox are kept: `none` is memory only. Blocked storage falls back to memory. */
export type StorageMode = "local" | "session" | "none";

/** Gives the signed token that proves who the visitor is. */
export type Identity = string | (() => string | Promise<string>);

/** What the client needs of its surroundings. Tests hand in their own; browsers need none. */
export interface Surroundings {
  fetch: typeof fetch;
  WebSocket: typeof WebSocket | undefined;
  now(): number;
  random(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  localStorage: Storage | undefined;
  sessionStorage: Storage | undefined;
  /** Web Locks; absent in old browsers and on insecure pages. */
  locks: LockManager | undefined;
  BroadcastChannel: typeof BroadcastChannel | undefined;
  document: Document | undefined;
  /** Where `online`, `pageshow` and `pagehide` are heard. */
  window: EventTarget | undefined;
}

export interface ClientOptions {
  /** Channel id, from the gateway. */
  channel: string;
  /** The gateway's address, `https://chat.example`. Absent: the page's own origin. */
  url?: string;
  storage?: StorageMode;
  /** Same as calling `identify` before `connect`. */
  getToken?: Identity;
  /** BCP 47 tag told to the bot. */
  locale?: string;
  /** Public configuration, if it was already fetched. */
  config?: ChannelConfig;
  /** Profile set once, after the first welcome. */
  user?: UserPatch;
  fetch?: typeof fetch;
  WebSocket?: typeof WebSocket;
  /** For tests: clock, randomness, storage, locks, page. */
  surroundings?: Partial<Surroundings>;
}

/** What each event carries. */
export interface ClientEvents {
  /** The first welcome of this page. */
  ready: { user: User; conversationId: string | null };
  /** The visitor was recognised or changed. */
  user: User;
  connection: Connection;
  /** Somebody else said something; once per message. */
  message: Message;
  /** An own message is stored by the gateway. */
  messageSent: Message;
  messageUpdated: Message;
  messageDeleted: { id: string; conv: string };
  messageFailed: { id: string; code: string; message: Message };
  messageStatus: { id: string; status: MessageStatus };
  /** A draft grew: `text` is all of it so far. */
  delta: { key: string; text: string };
  typing: { on: boolean; name?: string };
  unread: { count: number };
  conversation: { id: string | null };
  /** The bot asks the view for something: `open close toggle show hide config`. Never a stale one. */
  command: { name: string; data: unknown };
  /** An event the bot sent to the page. */
  customEvent: { name: string; data: unknown };
  /** The session was ended, here or in another tab. */
  logout: { here: boolean };
  /** This client is too old for the gateway: load the page's assets again. */
  outdated: Record<string, never>;
  error: { code: string; message: string };
}

/** Handler of all events: the form `'*'` takes. */
export type AnyEvent = { [E in keyof ClientEvents]: { type: E; payload: ClientEvents[E] } }[keyof ClientEvents];

/** Query of `listMessages`. */
export interface ListMessages {
  /** Only messages with a lower `seq`. Absent: the newest. */
  before?: number;
  /** At most 100; 50 if absent. */
  limit?: number;
}

export interface MessagePage {
  /** Oldest first. */
  readonly messages: readonly Message[];
  readonly more: boolean;
}

/** A small value that all tabs of the visitor share: open state, the composer's draft. */
export interface Shared {
  get(key: string): unknown;
  /** `value` is JSON; undefined removes. */
  set(key: string, value: unknown): void;
  /** Told when another tab has set it. */
  watch(key: string, run: (value: unknown) => void): () => void;
}

/** The headless client. Methods may be called at any time, before `connect` too. */
export interface Client {
  readonly mode: "messaging";
  readonly channel: string;
  /** Same as `channel`. */
  readonly clientId: string;
  /** The gateway's address, without a slash at the end. */
  readonly apiUrl: string;
  readonly userId: string | null;
  readonly conversationId: string | null;
  readonly shared: Shared;

  getState(): ClientState;
  /** Called after each change of state. For `useSyncExternalStore`. */
  subscribe(run: () => void): () => void;

  on<E extends keyof ClientEvents>(event: E, run: (payload: ClientEvents[E]) => void): () => void;
  on(event: "*", run: (event: AnyEvent) => void): () => void;
  once<E extends keyof ClientEvents>(event: E, run: (payload: ClientEvents[E]) => void): () => void;
  off<E extends keyof ClientEvents>(event: E, run: (payload: ClientEvents[E]) => void): void;
  off(event: "*", run: (event: AnyEvent) => void): void;

  /** Opens the link and keeps it open. Resolves on welcome; rejects when the gateway refuses for good. */
  connect(): Promise<void>;
  /** Closes the link; what is in the outbox stays there. */
  disconnect(): void;
  /** Closes everything: link, timers, locks, tab channel. The client is of no use afterwards. */
  destroy(): void;
  /** A session is stored, so the visitor has been here before. */
  hasSession(): boolean;
  /** Fetches the public configuration, once. */
  loadConfig(): Promise<ChannelConfig>;

  /** Queues a message and gives its `cid` at once; `messageSent` or `messageFailed` follows. Throws `ClientError`. */
  sendMessage(message: string | OutgoingBody, options?: { replyTo?: string }): { id: string };
  /** Uploads, then queues the message. */
  sendFile(file: Blob & { readonly name?: string }): Promise<{ id: string }>;
  /** An event for the bot. Resolves when the gateway has stored it. */
  sendEvent(name: string, data?: unknown): Promise<void>;
  /** Sends a failed message again, under the same idempotency key. */
  retry(id: string): void;
  /** Forgets a failed message. */
  discard(id: string): void;
  /** Asks the bot to stop the draft that streams. */
  stop(): void;
  feedback(messageId: string, value: "positive" | "negative" | null): Promise<void>;
  /** Call on each keystroke; tells the gateway at most every 3 s, if the channel asks for it. */
  typing(on?: boolean): void;
  /** Everything up to `seq` (absent: all) of the active conversation was read. */
  markRead(seq?: number): void;

  listMessages(query?: ListMessages): Promise<MessagePage>;
  /** Loads the page of older messages before those in the state. */
  loadMore(): Promise<void>;
  newConversation(): Promise<{ id: string }>;
  switchConversation(id: string): Promise<void>;
  listConversations(): Promise<readonly ConversationOverview[]>;
  deleteConversation(id: string): Promise<void>;
  conversationExists(id: string): Promise<boolean>;
  transcript(format?: "txt" | "json" | "html"): Promise<Blob>;

  getUser(): User | null;
  /** Resolves when the gateway has stored it. */
  updateUser(patch: UserPatch): Promise<void>;
  /** Says who the visitor is. A function is asked again whenever a fresh token is needed. */
  identify(token: Identity): Promise<void>;
  /** Ends the session at the gateway and forgets it in all tabs. */
  logout(): Promise<void>;
  setLocale(locale: string): void;
  /** Moves the live session: after consent, from `none` to `local`. */
  setStorage(mode: StorageMode): void;
  /** What `hello` tells about the page, where the channel asks for it. Absent: the document's own. */
  setPage(page: PageInfo | null): void;
}

/** Codes of `ClientError`. */
export type ClientErrorCode =
  | "outbox_full"
  | "too_large"
  | "bad"
  | "timeout"
  | "stopped"
  | "destroyed"
  | "upload"
  | "http"
  | "not_found"
  | "auth"
  | "rate"
  | "blocked"
  | "closed";

/** What a method throws or rejects with. `message` says what to do; it never holds a token or a visitor's text. */
export class ClientError extends Error {
  readonly code: ClientErrorCode;
  /** HTTP status, where there was one. */
  readonly status: number | undefined;

  constructor(code: ClientErrorCode, message: string, status?: number) {
    super(message);
    this.name = "ClientError";
    this.code = code;
    this.status = status;
  }
}
