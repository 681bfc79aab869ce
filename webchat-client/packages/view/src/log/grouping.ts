// Rows of the conversation: days, and runs of messages by the same hand.
import type { Message } from "@portico/webchat";

export interface Line {
  readonly message: Message;
  /** A new day begins here. */
  readonly day: boolean;
  readonly first: boolean;
  readonly last: boolean;
}

/** Messages of one hand further apart than this are not one run. */
const RUN_MS = 5 * 60_000;

export function lines(messages: readonly Message[]): Line[] {
  return messages.map((message, i) => {
    const before = messages[i - 1];
    const after = messages[i + 1];
    return { message, day: !before || dayOf(before.ts) !== dayOf(message.ts), first: !together(before, message), last: !together(message, after) };
  });
}

function together(a: Message | undefined, b: Message | undefined): boolean {
  return (
    a !== undefined && b !== undefined && a.from === b.from && a.body.type !== "system" && b.body.type !== "system" &&
    a.author?.name === b.author?.name && b.ts - a.ts < RUN_MS && dayOf(a.ts) === dayOf(b.ts)
  );
}

function dayOf(ms: number): number {
  const date = new Date(ms);
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate();
}

/** "Today", "Yesterday", or the date as the language writes it. */
export function dayName(ms: number, now: number, locale: string, words: { today: string; yesterday: string }): string {
  if (dayOf(ms) === dayOf(now)) return words.today;
  if (dayOf(ms) === dayOf(now - 86_400_000)) return words.yesterday;
  const sameYear = new Date(ms).getFullYear() === new Date(now).getFullYear();
  return new Intl.DateTimeFormat(locale || "en", { weekday: "long", day: "numeric", month: "long", ...(sameYear ? {} : { year: "numeric" }) }).format(ms);
}

/** What the visitor has answered, by the id of the message that asked. */
export function answers(messages: readonly Message[]): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (const message of messages) {
    if (!message.own || message.replyTo === undefined || message.status === "failed") continue;
    if (message.body.type === "text") map.set(message.replyTo, message.body.value ?? message.body.text);
    else if (message.body.type === "form") map.set(message.replyTo, "form");
  }
  return map;
}
