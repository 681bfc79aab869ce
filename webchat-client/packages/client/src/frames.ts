/**
 * The frames of `portico.v1` as types: what the client says, what the gateway says. One JSON object per frame.
 *
 * The stand-alone description is protocol/README.md; the schema beside it and these types are held together by
 * the fixtures, which both this package's and the gateway's tests read.
 */

/** Conversation id to the highest contiguous `seq` that was received. */
export type Cursors = Record<string, number>;

/** What the page tells about itself; sent only where the channel asks for it, query strings cut off. */
export interface PageInfo {
  url: string;
  title: string;
  ref: string;
}

/** The visitor's profile: what `updateUser` may change. */
export interface UserPatch {
  name?: string;
  email?: string;
  phone?: string;
  pictureUrl?: string;
  /** At most 50 keys, values at most 500 characters. */
  data?: Record<string, string>;
}

export interface HelloFrame {
  t: "hello";
  v: 1;
  ch: string;
  tok?: string;
  jwt?: string;
  cur?: Cursors;
  tab?: string;
  loc?: string;
  page?: PageInfo;
  caps?: string[];
}
export interface SendFrame {
  t: "send";
  id: string;
  conv?: string;
  msg: { type: string; [field: string]: unknown };
  replyTo?: string;
}
export interface EventFrame {
  t: "event";
  id: string;
  conv?: string;
  name: string;
  data: unknown;
}
export interface UserFrame {
  t: "user";
  id: string;
  data: UserPatch;
}
export interface AuthFrame {
  t: "auth";
  id: string;
  jwt: string;
}
export interface ConvFrame {
  t: "conv";
  id: string;
  op: "new" | "open";
  conv?: string;
}
export interface SeenFrame {
  t: "seen" | "read";
  conv: string;
  seq: number;
}
export interface TypingOutFrame {
  t: "typing";
  conv: string;
  on: boolean;
}
export interface SyncFrame {
  t: "sync";
  cur: Cursors;
}
export interface PingFrame {
  t: "ping";
}

/** Client to gateway. */
export type ClientFrame =
  | HelloFrame
  | SendFrame
  | EventFrame
  | UserFrame
  | AuthFrame
  | ConvFrame
  | SeenFrame
  | TypingOutFrame
  | SyncFrame
  | PingFrame;

/** Largest frame, text and file, in bytes, characters and bytes. */
export interface Limits {
  readonly frame: number;
  readonly text: number;
  readonly file: number;
}

/** The visitor, as the gateway knows them. */
export interface User {
  readonly id: string;
  readonly name?: string;
  readonly email?: string;
  readonly pictureUrl?: string;
  /** Proven by a signed token; see `identify`. */
  readonly verified: boolean;
  readonly data?: Readonly<Record<string, string>>;
}

export interface WelcomeFrame {
  t: "welcome";
  v: 1;
  sid: string;
  tok?: string;
  user: User;
  conv?: string;
  cur?: Cursors;
  hb: number;
  limits?: Partial<Limits>;
}
export interface AckFrame {
  t: "ack";
  id: string;
  mid?: string;
  conv?: string;
  seq?: number;
  ts?: number;
}
/** Why a frame was refused. Codes that are not listed count as `bad`. */
export type NackCode = "rate" | "too_large" | "bad" | "blocked" | "closed" | "auth";
export interface NackFrame {
  t: "nack";
  id: string;
  code: string;
  /** Milliseconds after which the same frame may be sent again; absent: never. */
  retry?: number;
}
export interface EvFrame {
  t: "ev";
  conv: string;
  seq: number;
  /** `msg upd del status conv member event`; others are skipped, but count. */
  kind: string;
  data: Record<string, unknown>;
}
export interface DeltaFrame {
  t: "delta";
  conv: string;
  /** Id of the draft. */
  mid: string;
  n: number;
  s: string;
  full?: boolean;
  /** The draft is over: with `id`, a stored message takes its place; without, it was given up. */
  end?: boolean;
  id?: string;
}
export interface TypingFrame {
  t: "typing";
  conv: string;
  on: boolean;
  by?: string;
}
export interface CmdFrame {
  t: "cmd";
  name: string;
  data?: unknown;
  /** Seconds for which the command makes sense. */
  ttl?: number;
  conv?: string;
}
export interface PongFrame {
  t: "pong";
}
export interface ResetFrame {
  t: "reset";
  conv: string;
  /** `seq` of the next `ev` that will come. */
  from: number;
}
export interface ByeFrame {
  t: "bye";
  code: string;
  retry?: number;
}

/** Gateway to client. */
export type ServerFrame =
  | WelcomeFrame
  | AckFrame
  | NackFrame
  | EvFrame
  | DeltaFrame
  | TypingFrame
  | CmdFrame
  | PongFrame
  | ResetFrame
  | ByeFrame;
