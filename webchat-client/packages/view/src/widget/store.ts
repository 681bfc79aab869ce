// A value that changes and tells. The view's own state; the client keeps its own.

export interface Store<T> {
  get(): T;
  /** Merges; tells only if something is different. */
  set(patch: Partial<T>): void;
  subscribe(run: () => void): () => void;
}

export function createStore<T extends object>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(patch) {
      const keys = Object.keys(patch) as (keyof T)[];
      if (keys.every((key) => Object.is(value[key], patch[key]))) return;
      value = { ...value, ...patch };
      for (const run of [...listeners]) run();
    },
    subscribe(run) {
      listeners.add(run);
      return () => listeners.delete(run);
    },
  };
}
