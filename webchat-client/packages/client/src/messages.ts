/**
 * What a message is: the bodies that a bot or a visitor may say, and a message as a view shows it.
 *
 * The wire carries the same names (protocol/README.md, "Messages"); `payload.ts` narrows foreign data to these
 * types, so a view may rely on every required field.
 */

/** A button of a card. `url` and `phone` open something, `copy` copies, `postback` and `say` answer the bot. */
export interface CardAction {
  readonly action: "url" | "postback" | "say" | "phone" | "copy";
  readonly label: string;
  /** The address, number, text or payload; what it is depends on `action`. */
  readonly value: string;
}

/** One answer of a `choice` or `dropdown`: `label` is shown, `value` is sent. */
export interface ChoiceOption {
  readonly label: string;
  readonly value: string;
}

/** One input of a `form`. */
export interface FormField {
  readonly name: string;
  readonly label: string;
  readonly kind: "text" | "email" | "tel" | "number" | "date" | "textarea" | "select" | "checkbox";
  readonly required?: boolean;
  readonly placeholder?: string;
  readonly value?: string;
  readonly options?: readonly ChoiceOption[];
  /** Longest accepted text, in UTF-16 units. */
  readonly max?: number;
}

export interface TextBody {
  readonly type: "text";
  readonly text: string;
  /** `md` is the default of bots and agents, `plain` of visitors. */
  readonly format?: "md" | "plain";
  /** What a choice stands for, when the text is its label. */
  readonly value?: string;
}

interface Media {
  readonly url: string;
  /** Also the alternative text. */
  readonly title?: string;
  /** Size in CSS pixels, where it is known, so that the layout does not shift. */
  readonly w?: number;
  readonly h?: number;
  /** Address of a still picture shown before a video plays. */
  readonly poster?: string;
  readonly mime?: string;
  /** In bytes. */
  readonly size?: number;
  /** Id of an uploaded file, from `POST files`. */
  readonly file?: string;
}
export interface ImageBody extends Media {
  readonly type: "image";
}
export interface AudioBody extends Media {
  readonly type: "audio";
}
export interface VideoBody extends Media {
  readonly type: "video";
}
export interface FileBody extends Media {
  readonly type: "file";
}
export interface LocationBody {
  readonly type: "location";
  readonly lat: number;
  readonly lon: number;
  readonly title?: string;
  readonly address?: string;
}
export interface CardBody {
  readonly type: "card";
  readonly title: string;
  readonly subtitle?: string;
  readonly image?: string;
  readonly imageAlt?: string;
  readonly actions: readonly CardAction[];
}
export interface CarouselBody {
  readonly type: "carousel";
  readonly items: readonly CardBody[];
}
export interface ChoiceBody {
  readonly type: "choice";
  readonly text: string;
  readonly options: readonly ChoiceOption[];
  /** True: the composer waits for one of the options. */
  readonly disableFreeText?: boolean;
}
export interface DropdownBody {
  readonly type: "dropdown";
  readonly text: string;
  readonly options: readonly ChoiceOption[];
  readonly placeholder?: string;
  readonly disableFreeText?: boolean;
}
export interface FormBody {
  readonly type: "form";
  readonly title?: string;
  readonly text?: string;
  readonly fields: readonly FormField[];
  /** Text of the button. */
  readonly submit?: string;
  /** What a filled form says: name of the field to its value. Set on the visitor's answer. */
  readonly values?: Readonly<Record<string, string>>;
}
export interface BlocBody {
  readonly type: "bloc";
  readonly items: readonly Body[];
}
export interface SystemBody {
  readonly type: "system";
  readonly text: string;
}
export interface CustomBody {
  readonly type: "custom";
  readonly name: string;
  readonly url?: string;
  readonly data?: unknown;
  readonly fallback?: string;
}
/** A type that this version does not know. Show `fallback`, or say that the message is not supported. */
export interface UnknownBody {
  readonly type: "unknown";
  /** The name of the type on the wire. */
  readonly name: string;
  readonly fallback?: string;
  readonly data?: unknown;
}

/** What a message says. Tell them apart by `type`. */
export type Body =
  | TextBody
  | ImageBody
  | AudioBody
  | VideoBody
  | FileBody
  | LocationBody
  | CardBody
  | CarouselBody
  | ChoiceBody
  | DropdownBody
  | FormBody
  | BlocBody
  | SystemBody
  | CustomBody
  | UnknownBody;

/** What a visitor may send: any body, with fields of its own if the bot reads them. */
export type OutgoingBody = Body | ({ readonly type: string } & { readonly [field: string]: unknown });

/** Who said it. */
export type From = "user" | "bot" | "agent" | "system";

/** Name and picture shown beside a message. */
export interface Author {
  readonly name?: string;
  readonly avatar?: string;
}

/**
 * How far an own message has come: `sending` (in the outbox) → `sent` (stored by the gateway) → `delivered` (the bot
 * took it) → `read`; or `failed`, with `error`, which `retry` sends again.
 */
export type MessageStatus = "sending" | "sent" | "delivered" | "read" | "failed";

/** A message that still grows: `streaming`, or `interrupted` when nothing came for 60 s. */
export type DraftStatus = "streaming" | "interrupted";

/** One row of the conversation, as a view shows it. Frozen by convention: a change makes a new object. */
export interface Message {
  /** Stable for the life of the row, also when a draft becomes a message or `sending` becomes `sent`. For list keys. */
  readonly key: string;
  /** The gateway's id; absent while `sending` and for drafts. */
  readonly id?: string;
  /** The client's idempotency key; own messages only. */
  readonly cid?: string;
  /** Conversation; empty for the first message of a conversation that the gateway has yet to make. */
  readonly conv: string;
  /** Place in the conversation; absent while `sending` and for drafts. */
  readonly seq?: number;
  readonly from: From;
  /** Said by this visitor (on any device). */
  readonly own: boolean;
  /** Milliseconds since 1970, UTC. */
  readonly ts: number;
  readonly body: Body;
  readonly author?: Author;
  /** Id of the message that this one answers. */
  readonly replyTo?: string;
  /** Own messages only. */
  readonly status?: MessageStatus;
  /** Why it failed: a nack code (`rate`, `too_large`, `bad`, `blocked`, `closed`, `auth`), `expired` or `upload`. */
  readonly error?: string;
  /** Present while a bot's message streams in. */
  readonly draft?: DraftStatus;
  /** The visitor's thumb on a bot's message. */
  readonly feedback?: "positive" | "negative";
  readonly meta?: Readonly<Record<string, unknown>>;
}
