/**
 * The chaos test against a real gateway: `GATEWAY=http://127.0.0.1:8080 CHANNEL=site npm run chaos -w @portico/webchat`.
 *
 * A TCP proxy stands between client and gateway and kills a connection with probability `p` for each piece of data that
 * passes, in either direction. Half-way, the client is thrown away and another one begins with its storage. The bot
 * behind the channel must answer each message once, with a text that contains it (an echo bot does).
 * One line of JSON per `p`; exit code 1 if any is not ok.
 *
 * Environment: GATEWAY, CHANNEL; ORIGIN (the gateway's own), COUNT (300), P ("0.02,0.1,0.25"), SEED (1),
 * TIMEOUT_S (900, per p), PAUSE_MS (0, between messages), BURST (20, messages between pauses), HASTE (10, by which the
 * delays between two tries are divided), PROGRESS (0: after how many answers each a line `answered <n>` goes to stderr).
 *
 * At p = 0.25 one try in three gets as far as `welcome`, so nearly all of the time is the client's patience: about 0.4 s
 * for each message with HASTE=10, 0.1 s with HASTE=50. What the channel allows (`limits.*`) must be raised far enough.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { WebSocket as NodeSocket } from "ws";
import { type Client, createClient } from "../src/index.ts";
import { MemoryStorage, seeded } from "./stand-ins.ts";

const setting = (name: string, otherwise?: string): string => {
  const value = process.env[name] ?? otherwise;
  if (value === undefined || value === "") {
    console.error(`${name} is not set: see the head of test/chaos-gateway.ts`);
    process.exit(2);
  }
  return value;
};
const gateway = new URL(setting("GATEWAY"));
const channel = setting("CHANNEL");
const origin = setting("ORIGIN", gateway.origin);
const count = Number(setting("COUNT", "300"));
const seed = Number(setting("SEED", "1"));
const timeoutMs = Number(setting("TIMEOUT_S", "900")) * 1000;
const pauseMs = Number(setting("PAUSE_MS", "0"));
const burst = Number(setting("BURST", "20"));
const haste = Number(setting("HASTE", "10"));
const progress = Number(setting("PROGRESS", "0"));

const sleep = (ms: number): Promise<void> => new Promise((go) => setTimeout(go, ms));
const fetchAs: typeof fetch = (input, init) => {
  const headers = new Headers(init?.headers);
  headers.set("Origin", origin);
  return fetch(input, { ...init, headers });
};
class Socketed extends NodeSocket {
  constructor(address: string, protocol: string) {
    super(address, protocol, { origin });
    // What goes wrong shows in `onclose`; without a listener Node would end.
    this.on("error", () => undefined);
  }
}

interface Proxy {
  url: string;
  kills(): number;
  /** Stops killing. */
  calm(): void;
  close(): void;
}

/** Copies bytes both ways until chance says no. */
async function openProxy(p: number, chance: () => number): Promise<Proxy> {
  let kills = 0;
  let calm = false;
  const pairs = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(Number(gateway.port || 80), gateway.hostname);
    const end = (): void => {
      near.destroy();
      far.destroy();
      pairs.delete(near);
    };
    pairs.add(near);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (piece: Buffer) => {
        if (!calm && chance() < p) {
          kills++;
          return end();
        }
        to.write(piece);
      });
      from.on("close", end);
      from.on("error", end);
    }
  });
  await new Promise<void>((go) => server.listen(0, "127.0.0.1", go));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    kills: () => kills,
    calm: () => (calm = true),
    close() {
      server.close();
      for (const near of pairs) near.destroy();
    },
  };
}

/** Everything the gateway has stored of the conversation, oldest first, read past the proxy. */
async function storedBy(token: string, conv: string): Promise<{ own: boolean; text: string }[]> {
  const rows: { seq: number; own: boolean; text: string }[] = [];
  for (let before = ""; ;) {
    const address = `${gateway.origin}/webchat/v1/conversations/${encodeURIComponent(conv)}/messages?limit=50${before}`;
    const answer = await fetchAs(address, { headers: { Authorization: `Bearer ${token}` } });
    if (answer.status === 429) {
      await sleep(1000 * Number(answer.headers.get("Retry-After") ?? 1));
      continue;
    }
    if (!answer.ok) throw new Error(`history: the gateway answered ${answer.status}`);
    const page = (await answer.json()) as {
      messages: { seq: number; own?: boolean; from: string; text?: string }[];
      more: boolean;
    };
    rows.push(
      ...page.messages.map(({ seq, own, from, text }) => ({ seq, own: own ?? from === "user", text: text ?? "" })),
    );
    const least = Math.min(...page.messages.map(({ seq }) => seq));
    if (!page.more || !page.messages.length) break;
    before = `&before=${least}`;
  }
  return rows.sort((a, b) => a.seq - b.seq);
}

async function run(p: number): Promise<boolean> {
  const began = Date.now();
  const chance = seeded(seed);
  const proxy = await openProxy(p, seeded(seed + 1));
  const localStorage = new MemoryStorage();
  const name = `chaos-${process.pid}-${began}-${p}`;
  /** Answers by their id, and those of them that an event told. */
  const seen = new Map<string, string>();
  const told = new Set<string>();
  let repeats = 0;
  let reloads = 0;
  const answered = (): number => [...seen.values()].filter((text) => text.includes(name)).length;
  const open = (): Client => {
    const client = createClient({
      channel,
      url: proxy.url,
      fetch: fetchAs,
      WebSocket: Socketed as unknown as typeof WebSocket,
      // A part of the usual delays: it is the kills that are tested, not the patience. Ids have their count besides.
      surroundings: { localStorage, random: () => chance() / haste },
    });
    client.on("message", (message) => {
      if (told.has(message.id ?? "")) repeats++;
      told.add(message.id ?? "");
      seen.set(message.id ?? "", message.body.type === "text" ? message.body.text : "");
      if (progress && answered() % progress === 0) console.error(`answered ${answered()}`);
    });
    client.connect().catch((error: unknown) => console.error(String(error)));
    return client;
  };
  const textOf = (n: number): string => `${name} #${n}.`;
  let client = open();
  // An answer whose question was acknowledged on a link that died may come with the history, which tells no event.
  const look = (): void => {
    for (const { own, id, body } of client.getState().messages)
      if (!own && id && body.type === "text" && !seen.has(id)) seen.set(id, body.text);
  };
  const late = (): boolean => Date.now() - began > timeoutMs;
  for (let n = 0; n < count && !late(); n++) {
    while (client.getState().outboxFull && !late()) await sleep(50);
    // Out of time while it waited: the verdict says how far it came.
    if (late()) break;
    client.sendMessage(textOf(n));
    if (n % burst === burst - 1) await sleep(Math.max(pauseMs, 20));
    if (n === Math.floor(count / 2)) {
      look();
      client.destroy();
      reloads++;
      client = open();
    }
  }
  while (answered() < count && !late()) {
    await sleep(100);
    look();
  }
  const timedOut = answered() < count;
  proxy.calm();
  await sleep(2000);

  const token = localStorage.getItem(`portico:${channel}:token`) ?? "";
  const stored = client.conversationId === null ? [] : await storedBy(token, client.conversationId);
  const own = stored.filter((row) => row.own).map((row) => row.text);
  const wanted = Array.from({ length: count }, (_, n) => textOf(n));
  const answers = wanted.map((text) => [...seen.values()].filter((answer) => answer.includes(text)).length);
  const verdict = {
    p,
    seed,
    count,
    kills: proxy.kills(),
    reloads,
    seconds: Math.round((Date.now() - began) / 100) / 10,
    timedOut,
    conversation: client.conversationId,
    stored: own.length,
    storedOnce: new Set(own).size === own.length,
    inOrder: JSON.stringify(own) === JSON.stringify(wanted),
    answersSeen: answered(),
    answersOnce: repeats === 0 && answers.every((times) => times === 1),
    pending: client.getState().messages.filter((row) => row.own && row.seq === undefined).length,
  };
  const ok = verdict.inOrder && verdict.storedOnce && verdict.answersOnce && verdict.pending === 0;
  console.log(JSON.stringify({ ok, ...verdict }));
  client.destroy();
  proxy.close();
  return ok;
}

let ok = true;
for (const p of setting("P", "0.02,0.1,0.25").split(",")) ok = (await run(Number(p))) && ok;
process.exit(ok ? 0 : 1);
