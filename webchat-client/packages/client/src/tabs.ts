/**
 * The visitor's other tabs: what they tell one another, and what becomes of the outbox of a tab that is gone.
 *
 * A tab holds the Web Lock `portico:<channel>:tab:<id>` while it lives. Whoever is granted the lock of another tab knows
 * that it is gone and adopts its outbox. Where there are no locks, lists are adopted at once: the gateway knows a
 * message that is sent twice by its client id.
 */
import type { Message } from "./messages.ts";
import { type OutboxItem, readItems } from "./outbox.ts";
import { isObject } from "./shape.ts";
import type { Shelf } from "./storage.ts";
import type { Surroundings } from "./types.ts";

export type TabWord =
  | { k: "hello"; tab: string }
  | { k: "own"; row: Message }
  | { k: "gone"; id: string }
  | { k: "read"; conv: string; seq: number }
  | { k: "shared"; key: string; value: unknown }
  | { k: "logout" };

export interface Tabs {
  tell(word: TabWord): void;
  /** Resolves once the outboxes of tabs that were gone already are adopted. */
  start(): Promise<void>;
  stop(): void;
}

export function createTabs(
  world: Surroundings,
  channel: string,
  tab: string,
  shelf: Shelf,
  on: { word(word: TabWord): void; adopt(items: OutboxItem[]): void },
): Tabs {
  const root = `portico:${channel}`;
  let post: BroadcastChannel | undefined;
  let stopped = new AbortController();
  let running = false;
  const met = new Set<string>();

  const take = (other: string): void => {
    const items = readItems(shelf.read(`outbox:${other}`));
    if (items.length) on.adopt(items);
    // Only now, so that a crash in between leaves it twice rather than not at all.
    shelf.set(`outbox:${other}`, null);
  };
  /** Waits (or with `now`: looks) whether `other` is gone. */
  const watch = async (other: string, now: boolean): Promise<void> => {
    if (other === tab || !shelf.shared()) return;
    if (!world.locks) return now ? take(other) : undefined;
    const taken = await world.locks
      .request(`${root}:tab:${other}`, now ? { ifAvailable: true } : { signal: stopped.signal }, (lock) => {
        if (!lock || !running) return false;
        take(other);
        return true;
      })
      .catch(() => true);
    if (!taken && now && running) void watch(other, false);
  };

  return {
    tell(word) {
      try {
        post?.postMessage(word);
      } catch {
        // Closed, or not to be cloned: the others learn it from the gateway.
      }
    },
    async start() {
      if (running) return;
      running = true;
      stopped = new AbortController();
      const others = shelf.keys("outbox:").map((key) => key.slice(7));
      if (!shelf.shared()) {
        // Of this tab alone: what is left is from before a reload.
        for (const other of others) if (other !== tab) take(other);
        return;
      }
      if (world.BroadcastChannel) {
        post = new world.BroadcastChannel(root);
        post.onmessage = ({ data }: MessageEvent<unknown>) => {
          if (!isObject(data)) return;
          if (data.k !== "hello") return on.word(data as TabWord);
          if (typeof data.tab !== "string" || met.has(data.tab)) return;
          met.add(data.tab);
          this.tell({ k: "hello", tab });
          void watch(data.tab, false);
        };
      }
      const { signal } = stopped;
      world.locks
        ?.request(`${root}:tab:${tab}`, { signal }, () => {
          // Not before the lock is held: the others take its being free for our end.
          this.tell({ k: "hello", tab });
          return new Promise<void>((free) => signal.addEventListener("abort", () => free()));
        })
        .catch(() => undefined);
      await Promise.all(others.map((other) => watch(other, true)));
    },
    stop() {
      running = false;
      stopped.abort();
      post?.close();
      post = undefined;
    },
  };
}
