/**
 * The rows of the active conversation in the order they are shown: stored ones by `seq`, then drafts and what is still
 * being sent, in the order they began. Every change makes a new array; untouched rows stay the same objects.
 */
import type { Message } from "./messages.ts";

export interface Timeline {
  rows(): readonly Message[];
  /** By key, gateway id or client id. */
  find(id: string): Message | undefined;
  /** Adds a row, or replaces the one with the same key. */
  put(row: Message): void;
  drop(key: string): void;
  /** Keeps the rows for which `keep` is true. */
  retain(keep: (row: Message) => boolean): void;
}

const LATE = 2 ** 52;

export function createTimeline(): Timeline {
  let rows: readonly Message[] = [];
  let count = 0;
  const places = new Map<string, number>();
  const keys = new Map<string, string>();

  /** First index whose place is not below `place`. */
  const indexOf = (place: number): number => {
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const row = rows[middle];
      if (row && (places.get(row.key) ?? 0) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const without = (key: string): Message[] => {
    const copy = rows.slice();
    const place = places.get(key);
    if (place !== undefined) copy.splice(indexOf(place), 1);
    return copy;
  };
  const timeline: Timeline = {
    rows: () => rows,
    find(id) {
      const key = keys.get(id) ?? id;
      const place = places.get(key);
      return place === undefined ? undefined : rows[indexOf(place)];
    },
    put(row) {
      const before = places.get(row.key);
      const place = row.seq ?? (before !== undefined && before > LATE ? before : LATE + ++count);
      if (row.id) keys.set(row.id, row.key);
      if (row.cid) keys.set(row.cid, row.key);
      if (before === place) {
        const copy = rows.slice();
        copy[indexOf(place)] = row;
        rows = copy;
        return;
      }
      rows = without(row.key);
      places.delete(row.key);
      const index = indexOf(place);
      // The same place under another key: the same message, known by another name.
      const twin = rows[index];
      const same = twin !== undefined && places.get(twin.key) === place;
      if (same) places.delete(twin.key);
      places.set(row.key, place);
      rows = [...rows.slice(0, index), row, ...rows.slice(same ? index + 1 : index)];
    },
    drop(key) {
      rows = without(key);
      places.delete(key);
    },
    retain(keep) {
      const kept = rows.filter(keep);
      if (kept.length === rows.length) return;
      for (const row of rows) if (!keep(row)) places.delete(row.key);
      if (!kept.length) keys.clear();
      rows = kept;
    },
  };
  return timeline;
}
