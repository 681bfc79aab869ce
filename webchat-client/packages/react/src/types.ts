// The public types of this package. They name React, the headless client and the settings; nothing of the view.
import type { ComponentType, ReactNode } from "react";
import type { Body, Client, Identity, Message, OutgoingBody, StorageMode } from "@portico/webchat";
import type { InfoLink, PreChatSettings, ProactiveSettings, Settings, UploadSettings } from "@portico/webchat-view/config/settings.ts";

/** Forms of a setting that are read besides its own: a number is a length in pixels, a text is a link, and so on. */
interface Also {
  readonly radius?: string | number;
  readonly offset?: string | number;
  readonly width?: string | number;
  readonly height?: string | number;
  readonly timestamps?: Settings["timestamps"] | boolean;
  readonly info?: { readonly [key in keyof Settings["info"]]?: InfoLink | string };
  readonly upload?: boolean | Partial<UploadSettings>;
  readonly feedback?: Settings["feedback"] | boolean;
  readonly proactive?: string | ({ readonly text: string } & Partial<ProactiveSettings>);
  readonly preChat?: PreChatSettings;
}

/**
 * Look and behaviour. Whatever is absent comes from the channel's configuration at the gateway, then from the
 * defaults. Keys that the gateway keeps to itself, unknown keys and values of the wrong kind are left out and told
 * in the console.
 */
export type WebchatConfig = Also & Partial<Omit<Settings, keyof Also>>;

/** What a renderer of yours is given. */
export interface RendererProps<B extends Body = Body> {
  readonly message: Message;
  /** What is to be shown: the message's body, or one item of a `bloc`. */
  readonly body: B;
  readonly client: Client;
  /** Queues an answer. False = not taken; the reason stands above the composer. */
  send(message: string | OutgoingBody, replyTo?: string): boolean;
  /** Answers a question with one of its options: `label` (or `say`) is shown, `value` is what it stands for. */
  select(choice: { readonly label: string; readonly value: string; readonly say?: string }): void;
}

/**
 * A component per message type (`text`, `card`, …) or per name of a `custom` message; `custom` itself takes those
 * without one of their own. A renderer that throws is replaced by the standard one.
 */
export type Renderers = {
  readonly [T in Body["type"]]?: ComponentType<RendererProps<Extract<Body, { type: T }>>>;
} & { readonly [customName: string]: ComponentType<RendererProps<any>> | undefined };

export interface PorticoProviderProps {
  /** Channel id. Not needed where `client` is given. */
  readonly channel?: string;
  /** The gateway's address, `https://chat.example`. Absent: the page's own origin. */
  readonly url?: string;
  /** A client of your own making. You connect and destroy it; else the provider does both. */
  readonly client?: Client;
  readonly config?: WebchatConfig;
  /** Older name of `config`. */
  readonly configuration?: WebchatConfig;
  /** Says who the visitor is: a signed token, or a function that fetches one. */
  readonly getToken?: Identity;
  /** Where the session is kept. Wins over `config.storage` and the gateway's. */
  readonly storage?: StorageMode;
  readonly renderers?: Renderers;
  /** Told of every event, by the names of `window.portico.on`. `false` prevents the cancelable ones (`link`). */
  readonly onEvent?: (event: string, payload: any) => unknown;
  readonly children?: ReactNode;
}

export interface WebchatProps {
  /** `float`: launcher and panel in a corner of the page. `inline`: fills its parent, which needs a height. */
  readonly mode?: "float" | "inline";
  /** In a shadow root, out of reach of the page's style sheets. On unless set to false. */
  readonly isolated?: boolean;
  /** `float` only: open from the start. */
  readonly defaultOpen?: boolean;
  /** Of the element that holds the chat. */
  readonly className?: string;
}

export interface ContainerProps {
  /** True: shown only while the chat is open, with a close button. Else the chat is open while this is mounted. */
  readonly closable?: boolean;
  readonly className?: string;
  /** The panel's content. Absent: all of it, as in `Webchat`. */
  readonly children?: ReactNode;
}

export interface MessageProps {
  readonly message: Message;
  /** First and last of a run of messages by the same hand: name above, picture and time below. */
  readonly first?: boolean;
  readonly last?: boolean;
  /** The very last of the conversation. */
  readonly end?: boolean;
}

/** What is being written, and what may be done with it. Shared with `Composer` and with the visitor's other tabs. */
export interface ComposerState {
  readonly text: string;
  setText(text: string): void;
  readonly files: readonly { readonly key: string; readonly file: File; readonly preview?: string }[];
  /** Puts files into the tray; what is too large or of a wrong type is refused, and told in `notice`. */
  addFiles(files: readonly File[]): void;
  removeFile(key: string): void;
  /** Sends text and files. False = there is nothing to send, or it was not taken. */
  send(): boolean;
  /** There is something to send and it may be sent. */
  readonly ready: boolean;
  /** Nothing may be written now: refused by the gateway, the outbox is full, or one of the options is awaited. */
  readonly disabled: boolean;
  /** Characters above the limit; 0 or less = none. */
  readonly over: number;
  /** What is wrong with what was tried last, in the visitor's language. */
  readonly notice: string | null;
  /** A bot's answer streams in; `stop` asks it to end. */
  readonly streaming: boolean;
  stop(): void;
}
