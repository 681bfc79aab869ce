/** 300 messages through a connection that dies at every point where it can: each stored once, in order, each answer seen once. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Client, createClient } from "../src/index.ts";
import { MockGateway } from "./mock-gateway.ts";
import { MemoryStorage, seeded } from "./stand-ins.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const COUNT = 300;

async function run(
  p: number,
  seed: number,
): Promise<{ stored: string[]; seen: string[]; shown: string[]; cuts: number }> {
  const chance = seeded(seed);
  let cuts = 0;
  const gateway = new MockGateway({
    bot: (text) => [`answer to ${text}`],
    stream: true,
    cut: () => {
      const hit = chance() < p;
      if (hit) cuts++;
      return hit;
    },
  });
  const localStorage = new MemoryStorage();
  const seen: string[] = [];
  const open = (): Client => {
    const client = createClient({
      channel: "site",
      url: "http://gateway.test",
      ...gateway.surroundings,
      surroundings: { localStorage, random: seeded(seed + 1) },
    });
    client.on("message", (message) => seen.push(message.body.type === "text" ? message.body.text : message.body.type));
    void client.connect();
    return client;
  };
  let client = open();
  for (let n = 0; n < COUNT; n++) {
    for (;;) {
      try {
        client.sendMessage(`message ${n}`);
        break;
      } catch {
        // The outbox is full: the visitor waits.
        await vi.advanceTimersByTimeAsync(500);
      }
    }
    if (chance() < 0.5) await vi.advanceTimersByTimeAsync(Math.floor(chance() * 40));
    if (n === COUNT / 2) {
      // A reload: the page is gone in the middle of everything, a new one begins with what was stored.
      client.destroy();
      client = open();
    }
  }
  for (let round = 0; round < 40_000 && seen.length < COUNT; round++) await vi.advanceTimersByTimeAsync(250);
  await vi.advanceTimersByTimeAsync(60_000);
  // Everything there is to see, page by page.
  while (client.getState().history.more) {
    const more = client.loadMore();
    await vi.advanceTimersByTimeAsync(50);
    await more;
  }
  const shown = client.getState().messages.map((message) => (message.body.type === "text" ? message.body.text : "?"));
  expect(client.getState().messages.filter((message) => message.draft || message.seq === undefined)).toEqual([]);
  client.destroy();
  const stored = gateway.stored().flatMap((message) => (message.from === "user" ? [String(message.text)] : []));
  return { stored, seen, shown, cuts };
}

for (const p of [0.02, 0.1, 0.25])
  for (const seed of [1, 2])
    test(
      `p = ${p}, seed ${seed}: 300 stored once and in order, 300 answers seen once`,
      { timeout: 120_000 },
      async () => {
        const { stored, seen, shown, cuts } = await run(p, seed);
        expect(cuts).toBeGreaterThan(p * COUNT);
        expect(stored).toEqual(Array.from({ length: COUNT }, (_, n) => `message ${n}`));
        expect([...seen].sort()).toEqual(Array.from({ length: COUNT }, (_, n) => `answer to message ${n}`).sort());
        expect(shown.filter((text) => text.startsWith("message "))).toEqual(stored);
        expect(shown.length).toBe(2 * COUNT);
      },
    );

test("the same seed gives the same run", { timeout: 60_000 }, async () => {
  const once = await run(0.1, 7);
  expect(await run(0.1, 7)).toEqual(once);
});
