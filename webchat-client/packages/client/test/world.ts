/** A page for tests: a client with its own storage, locks, tab channel and visibility, beside a mock gateway. */
import { vi } from "vitest";
import { type Client, type ClientEvents, type ClientOptions, createClient } from "../src/index.ts";
import { MockGateway, type MockOptions } from "./mock-gateway.ts";
import { MemoryStorage, seeded } from "./stand-ins.ts";

/** Web Locks, exclusive mode only. */
export class MockLocks {
  private readonly queues = new Map<string, (() => void)[]>();
  readonly held = new Set<string>();
  async request(
    name: string,
    options: { ifAvailable?: boolean; signal?: AbortSignal } | ((lock: unknown) => unknown),
    run?: (lock: unknown) => unknown,
  ): Promise<unknown> {
    const { ifAvailable, signal } = typeof options === "function" ? {} : options;
    const callback = typeof options === "function" ? options : run;
    if (this.held.has(name)) {
      if (ifAvailable) return callback?.(null);
      await new Promise<void>((go, fail) => {
        this.queues.set(name, [...(this.queues.get(name) ?? []), go]);
        signal?.addEventListener("abort", () => {
          this.queues.set(
            name,
            (this.queues.get(name) ?? []).filter((one) => one !== go),
          );
          fail(new Error("aborted"));
        });
      });
    }
    this.held.add(name);
    try {
      return await callback?.({ name });
    } finally {
      this.held.delete(name);
      const [next, ...rest] = this.queues.get(name) ?? [];
      this.queues.set(name, rest);
      next?.();
    }
  }
}

/** One per browser: storage, locks and channels that tabs share. */
export class Browser {
  readonly localStorage = new MemoryStorage();
  readonly locks = new MockLocks();
  private readonly channels = new Map<string, Set<{ onmessage: ((event: { data: unknown }) => void) | null }>>();
  get BroadcastChannel(): typeof BroadcastChannel {
    const { channels } = this;
    return class {
      onmessage: ((event: { data: unknown }) => void) | null = null;
      private readonly all: Set<{ onmessage: ((event: { data: unknown }) => void) | null }>;
      constructor(name: string) {
        this.all = channels.get(name) ?? new Set();
        channels.set(name, this.all.add(this));
      }
      postMessage(data: unknown): void {
        for (const other of this.all)
          if (other !== this) setTimeout(() => other.onmessage?.({ data: structuredClone(data) }), 0);
      }
      close(): void {
        this.all.delete(this);
      }
    } as unknown as typeof BroadcastChannel;
  }
}

export class Page extends EventTarget {
  visibilityState = "visible";
  title = "Cart";
  referrer = "https://search.test/?q=secret";
  location = { href: "https://shop.test/cart?token=secret#top", origin: "https://shop.test" };
  show(state: "visible" | "hidden"): void {
    this.visibilityState = state;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

export interface Tab {
  client: Client;
  page: Page;
  window: EventTarget;
  /** Everything that was emitted, in order. */
  events: { type: string; payload: unknown }[];
  of<E extends keyof ClientEvents>(type: E): ClientEvents[E][];
}

export function openTab(gateway: MockGateway, browser = new Browser(), options: Partial<ClientOptions> = {}): Tab {
  const page = new Page();
  const window = new EventTarget();
  const { surroundings, ...rest } = options;
  const client = createClient({
    channel: "site",
    url: "http://gateway.test",
    ...gateway.surroundings,
    ...rest,
    surroundings: {
      localStorage: browser.localStorage,
      locks: browser.locks as unknown as LockManager,
      BroadcastChannel: browser.BroadcastChannel,
      document: page as unknown as Document,
      window,
      random: seeded(42),
      ...surroundings,
    },
  });
  const events: Tab["events"] = [];
  client.on("*", (event) => events.push(event));
  const of = <E extends keyof ClientEvents>(type: E): ClientEvents[E][] =>
    events.filter((event) => event.type === type).map((event) => event.payload as ClientEvents[E]);
  return { client, page, window, events, of };
}

/** A gateway, and one tab that is connected. */
export async function connected(
  mock: MockOptions = {},
  options: Partial<ClientOptions> = {},
): Promise<Tab & { gateway: MockGateway; browser: Browser }> {
  const gateway = new MockGateway(mock);
  const browser = new Browser();
  const tab = openTab(gateway, browser, options);
  void tab.client.connect().catch(() => undefined);
  await tick();
  return { ...tab, gateway, browser };
}

export const tick = async (ms = 50): Promise<void> => void (await vi.advanceTimersByTimeAsync(ms));
export const texts = (client: Client): string[] =>
  client.getState().messages.map((row) => (row.body.type === "text" ? row.body.text : row.body.type));
/** An unsigned token, as far as a client looks at one. */
export const jwt = (claims: object): string => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.sig`;
