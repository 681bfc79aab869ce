/**
 * Rules 4 and 5 of the wire: per conversation the highest contiguous `seq`; repeats dropped, early ones held back.
 */
import type { Cursors, EvFrame } from "./frames.ts";

export interface Resume {
  get(conv: string): number | undefined;
  set(conv: string, seq: number): void;
  forget(conv?: string): void;
  all(): Cursors;
  /**
   * Receipt of `seq`; null for an ack, which has nothing to apply. Gives what may now be applied, in order.
   * A conversation that was not known begins here.
   */
  receive(conv: string, seq: number, item: EvFrame | null): EvFrame[];
  /** Something is held back, so something is missing. */
  gap(conv: string): boolean;
}

/** More than the gateway ever replays; beyond, a resume brings it again. */
const HELD = 1000;

export function createResume(initial: Cursors, changed: (all: Cursors) => void): Resume {
  const cursors = new Map<string, number>(Object.entries(initial));
  const held = new Map<string, Map<number, EvFrame | null>>();
  const all = (): Cursors => Object.fromEntries(cursors);
  return {
    all,
    get: (conv) => cursors.get(conv),
    set(conv, seq) {
      cursors.set(conv, seq);
      held.delete(conv);
      changed(all());
    },
    forget(conv) {
      for (const map of [cursors, held]) {
        if (conv === undefined) map.clear();
        else map.delete(conv);
      }
      changed(all());
    },
    receive(conv, seq, item) {
      const cursor = cursors.get(conv) ?? seq - 1;
      if (seq <= cursor) return [];
      const waiting = held.get(conv) ?? new Map<number, EvFrame | null>();
      // An ack never replaces the item itself: it has nothing to show.
      if (waiting.size < HELD && (item !== null || !waiting.has(seq))) waiting.set(seq, item);
      const ready: EvFrame[] = [];
      let next = cursor + 1;
      for (; waiting.has(next); next++) {
        const frame = waiting.get(next);
        if (frame) ready.push(frame);
        waiting.delete(next);
      }
      if (waiting.size) held.set(conv, waiting);
      else held.delete(conv);
      if (next - 1 !== cursors.get(conv)) {
        cursors.set(conv, next - 1);
        changed(all());
      }
      return ready;
    },
    gap: (conv) => held.has(conv),
  };
}
