/** What the client needs of the world, taken from the browser unless a test hands in its own. Read on use, never on import. */
import type { ClientOptions, Surroundings } from "./types.ts";

export function surroundings(options: ClientOptions): Surroundings {
  const world = globalThis as unknown as Partial<Window & typeof globalThis>;
  // Blocked storage throws on the mere property.
  const storage = (name: "localStorage" | "sessionStorage"): Storage | undefined => {
    try {
      return world[name];
    } catch {
      return undefined;
    }
  };
  const page = world.document;
  const { fetch: given } = options;
  return {
    // Called on nothing: a browser's own `fetch` refuses to be called as a method of something else.
    fetch: ((...request: Parameters<typeof fetch>) => (given ?? globalThis.fetch)(...request)) as typeof fetch,
    WebSocket: options.WebSocket ?? world.WebSocket,
    now: () => Date.now(),
    random: () => {
      const word = world.crypto?.getRandomValues(new Uint32Array(1))[0];
      return word === undefined ? Math.random() : word / 2 ** 32;
    },
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer as number),
    localStorage: page && storage("localStorage"),
    sessionStorage: page && storage("sessionStorage"),
    locks: page && world.navigator?.locks,
    BroadcastChannel: page && world.BroadcastChannel,
    document: page,
    window: page && world.window,
    ...options.surroundings,
  };
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
let made = 0;

/** A client id: `[A-Za-z0-9_-]`, 20 random characters and a count, so that even a constant `random` gives no pair. */
export function newId(random: () => number): string {
  let id = "";
  while (id.length < 20) id += LETTERS[Math.floor(random() * 64)] ?? "A";
  return id + (made++).toString(36);
}

/** Full-jitter delay before try `attempt` (0 is the first), in milliseconds, never above `maxMs`. */
export function backoffMs(attempt: number, random: () => number, baseMs = 500, maxMs = 30_000): number {
  return Math.floor(random() * Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 16)));
}
