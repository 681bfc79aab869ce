/**
 * The client's drawer in the browser's storage: keys `portico:<channel>:*`, memory where storage is absent, blocked or full.
 */
import type { StorageMode, Surroundings } from "./types.ts";

export interface Shelf {
  readonly mode: StorageMode;
  get(key: string): string | null;
  /** null removes. */
  set(key: string, value: string | null): void;
  /** Parsed JSON, or undefined if absent or damaged. */
  read(key: string): unknown;
  /** undefined removes. */
  write(key: string, value: unknown): void;
  /** Own keys that start with `prefix`, without `portico:<channel>:`. */
  keys(prefix: string): string[];
  clear(): void;
  /** Moves everything to another kind of storage. */
  move(mode: StorageMode): void;
  /** True if other tabs see the same drawer. */
  shared(): boolean;
}

export function createShelf(world: Surroundings, channel: string, first: StorageMode): Shelf {
  const root = `portico:${channel}:`;
  let mode = first;
  let memory = new Map<string, string>();

  const backing = (): Storage | undefined =>
    mode === "local" ? world.localStorage : mode === "session" ? world.sessionStorage : undefined;
  const attempt = <T>(run: (storage: Storage) => T): T | undefined => {
    const storage = backing();
    try {
      return storage && run(storage);
    } catch {
      return undefined;
    }
  };

  const shelf: Shelf = {
    get mode() {
      return mode;
    },
    get: (key) => memory.get(key) ?? attempt((storage) => storage.getItem(root + key)) ?? null,
    set(key, value) {
      const stored = attempt((storage) => {
        if (value === null) storage.removeItem(root + key);
        else storage.setItem(root + key, value);
        return true;
      });
      if (stored || value === null) memory.delete(key);
      else {
        memory.set(key, value);
        // What storage could not take must not come back from there in an older form.
        attempt((storage) => storage.removeItem(root + key));
      }
    },
    read(key) {
      try {
        return JSON.parse(shelf.get(key) ?? "") as unknown;
      } catch {
        return undefined;
      }
    },
    write: (key, value) => shelf.set(key, value === undefined ? null : JSON.stringify(value)),
    keys(prefix) {
      const found = new Set<string>(memory.keys());
      attempt((storage) => {
        for (let i = 0; i < storage.length; i++) {
          const key = storage.key(i);
          if (key?.startsWith(root)) found.add(key.slice(root.length));
        }
      });
      return [...found].filter((key) => key.startsWith(prefix));
    },
    clear() {
      for (const key of shelf.keys("")) shelf.set(key, null);
    },
    move(next) {
      if (next === mode) return;
      const kept = shelf.keys("").map((key) => [key, shelf.get(key)] as const);
      shelf.clear();
      mode = next;
      memory = new Map();
      for (const [key, value] of kept) shelf.set(key, value);
    },
    shared: () => mode === "local" && world.localStorage !== undefined,
  };
  return shelf;
}
