// What the page and the frame say to one another, over one MessageChannel port. Types only.
import type { Method, Property } from "./handle.ts";

/** How much room the frame needs. */
export interface Room {
  /** `hidden`: nothing to see. `full`: the whole screen. */
  readonly kind: "hidden" | "launcher" | "bubble" | "open" | "full";
  readonly position: string;
  readonly width: string;
  readonly height: string;
  readonly offset: string;
  readonly zIndex: number;
  readonly launcher: boolean;
  readonly dir: "ltr" | "rtl";
}

export type ToFrame =
  | { t: "init"; init: Record<string, unknown>; options: { locale?: string | undefined; theme?: string | undefined; open?: boolean }; inline: boolean; phone: boolean; stored: Record<string, string>; lang: string; asksToken: boolean }
  | { t: "call"; id: number; method: Method; args: readonly unknown[] }
  | { t: "phone"; on: boolean }
  | { t: "token"; id: number; jwt?: string; error?: string };

export type ToPage =
  | { t: "ready" }
  | { t: "result"; id: number; value?: unknown; error?: string }
  | { t: "event"; event: string; payload: unknown; properties: Partial<Record<Property, unknown>> }
  | { t: "room"; room: Room }
  | { t: "store"; key: string; value: string | null }
  | { t: "token"; id: number };
