// What the loader and the parts it fetches have between them: one chat's public object and the way into it.

/** The public object before and after the chat behind it is there. */
export interface Handle {
  /** `window.portico`, or what `create()` gave. */
  readonly api: Api;
  channel: string;
  /** The gateway's address without a slash at the end. */
  readonly base: string;
  /** Of the script's `data-` attributes, or of `create()`. */
  readonly options: Options;
  /** Given to `init()`. */
  readonly init: Record<string, unknown>;
  /** Tells listeners. False = one of them has prevented what was about to happen. */
  emit(event: string, payload: unknown): boolean;
  /** The chat is there: what was called before is done now, in order. */
  ready(backend: Backend): void;
  failed(error: unknown): void;
}

/** What a chat on the page answers with. */
export interface Backend {
  call(method: Method, args: readonly unknown[]): unknown;
  get(property: Property): unknown;
}

export interface Options {
  readonly locale?: string | undefined;
  readonly theme?: string | undefined;
  readonly open?: boolean;
  /** Selector of the element to fill, or the element. */
  readonly target?: string | Element | undefined;
  readonly mode: "shadow" | "iframe" | "page";
}

export const METHODS = [
  "init", "destroy", "config", "open", "close", "toggle", "show", "hide", "toggleInfo", "sendMessage", "sendEvent", "sendFile", "getUser",
  "updateUser", "identify", "logout", "newConversation", "switchConversation", "listConversations", "deleteConversation",
  "conversationExists", "listMessages", "retry", "downloadTranscript", "setLocale", "setTheme",
] as const;
export type Method = (typeof METHODS)[number];

/** Read-only properties, and what they are before the chat is there. */
export const PROPERTIES = {
  initialized: false,
  state: "closed",
  connection: "idle",
  user: undefined,
  conversationId: undefined,
  unreadCount: 0,
  configuration: undefined,
  element: undefined,
} as const;
export type Property = keyof typeof PROPERTIES;

export type Listener = (payload: any) => unknown;

/** The public object. Every method gives a promise; `on`, `once` and `off` are at once. */
export type Api = { [M in Method]: (...args: any[]) => Promise<any> } & {
  readonly [P in Property]: any;
} & {
  readonly version: string;
  readonly channelId: string;
  readonly apiUrl: string;
  on(event: string, listener: Listener): () => void;
  once(event: string, listener: Listener): () => void;
  off(event: string, listener: Listener): void;
  create(config: Record<string, unknown>): Api;
};

/** Public configuration of a channel: `GET /webchat/v1/channels/{channel}/config`. The keys of the look stand among it. */
export interface PublicConfig {
  readonly channel?: string;
  readonly name?: string;
  /** Keys of the look that a page may set; absent = all. */
  readonly overridable?: readonly string[];
  readonly assets?: Manifest;
  readonly [key: string]: unknown;
}

/** What the build writes; see gateway/webchat-api/assets/README.md. */
export interface Manifest {
  readonly version: string;
  readonly hash: string;
  readonly entry: string;
  readonly preload: readonly string[];
  readonly embed: string;
  readonly files: Readonly<Record<string, { readonly path: string; readonly integrity: string }>>;
}
