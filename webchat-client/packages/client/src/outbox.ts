/**
 * What the visitor said and the gateway has not yet stored: written before it is sent, removed on its ack.
 *
 * One item in flight per lane (conversation), rule 3 of the wire. Each tab keeps its own list under
 * `outbox:<tab>`, so that two tabs never overwrite each other; `tabs.ts` adopts the lists of tabs that are gone.
 */
import type { EventFrame, SendFrame, UserFrame } from "./frames.ts";
import { isObject } from "./shape.ts";
import type { Shelf } from "./storage.ts";

export interface OutboxItem {
  readonly frame: SendFrame | EventFrame | UserFrame;
  /** When it was queued, ms since 1970. */
  readonly at: number;
  /** Refused for good, with this code; waits for the visitor to retry or discard. */
  readonly failed?: string;
}

export const MAX_ITEMS = 100;
export const MAX_BYTES = 256 * 1024;
/** After this long in the outbox an item counts as failed. */
export const MAX_AGE_MS = 24 * 3600_000;

export interface Outbox {
  items(): readonly OutboxItem[];
  get(id: string): OutboxItem | undefined;
  full(): boolean;
  /** False if there is no room: 100 items, 256 KiB. Failed ones give way. */
  add(item: OutboxItem): boolean;
  /** Puts older items in front, whatever the room. */
  adopt(items: readonly OutboxItem[]): void;
  remove(id: string): void;
  replace(id: string, item: OutboxItem): void;
  /** Items of `from` belong to `to` now; empty: to no conversation yet. */
  rename(from: string, to: string): void;
  /** The next item of every lane. */
  heads(): OutboxItem[];
  clear(): void;
  /** Writes again, after the storage changed. */
  save(): void;
}

/** In which order-keeping lane an item goes. */
export const laneOf = (item: OutboxItem): string => (item.frame.t === "user" ? "@user" : (item.frame.conv ?? ""));

/** Items as they were stored; damaged ones are left out. */
export function readItems(value: unknown): OutboxItem[] {
  return (Array.isArray(value) ? value : []).filter(
    (item): item is OutboxItem =>
      isObject(item) &&
      typeof item.at === "number" &&
      isObject(item.frame) &&
      typeof item.frame.id === "string" &&
      ["send", "event", "user"].includes(item.frame.t as string),
  );
}

export function createOutbox(shelf: Shelf, key: string, changed: () => void): Outbox {
  let items: readonly OutboxItem[] = [];
  let bytes = 0;

  const store = (next: readonly OutboxItem[]): void => {
    items = next;
    const text = JSON.stringify(items);
    bytes = text.length;
    shelf.set(key, items.length ? text : null);
    changed();
  };
  const fits = (next: readonly OutboxItem[]): boolean =>
    next.length <= MAX_ITEMS && new TextEncoder().encode(JSON.stringify(next)).length <= MAX_BYTES;

  return {
    items: () => items,
    get: (id) => items.find((item) => item.frame.id === id),
    full: () => items.filter((item) => !item.failed).length >= MAX_ITEMS || bytes > MAX_BYTES - 1024,
    add(item) {
      let next = [...items, item];
      if (!fits(next)) next = next.filter((other) => !other.failed);
      if (!fits(next)) return false;
      store(next);
      return true;
    },
    adopt(older) {
      const known = new Set(items.map((item) => item.frame.id));
      store([...older.filter((item) => !known.has(item.frame.id)), ...items]);
    },
    remove: (id) => store(items.filter((item) => item.frame.id !== id)),
    replace: (id, item) => store(items.map((other) => (other.frame.id === id ? item : other))),
    rename: (from, to) =>
      store(
        items.map((item) => {
          if (item.frame.t === "user" || (item.frame.conv ?? "") !== from) return item;
          const { conv: _, ...frame } = item.frame;
          return { ...item, frame: to ? { ...frame, conv: to } : frame };
        }),
      ),
    heads() {
      const heads = new Map<string, OutboxItem>();
      for (const item of items) if (!item.failed && !heads.has(laneOf(item))) heads.set(laneOf(item), item);
      return [...heads.values()];
    },
    clear: () => store([]),
    save: () => store(items),
  };
}
