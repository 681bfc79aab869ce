/**
 * An in-process gateway for tests: speaks `portico.v1` over a WebSocket class and a `fetch` of its own, keeps what it
 * acknowledges, and dies at the points where a test wants it to. Everything takes a tick of the (fake) clock. Made for
 * one visitor at a time: what is stored is told to every connection.
 */
// Here already when the client asks for them: a fake clock does not wait for files.
import "../src/engine.ts";
import "../src/extras.ts";
import "../src/fallbacks.ts";
import type { AckFrame, ClientFrame, EvFrame, HelloFrame, ServerFrame, SyncFrame } from "../src/index.ts";

export interface Stored {
  id: string;
  cid?: string;
  from: string;
  type: string;
  text?: string;
  [field: string]: unknown;
}
interface Conversation {
  id: string;
  owner: string;
  items: EvFrame[];
  trimmed: number;
}
/** Where a connection may be cut. */
export type Point = "before-commit" | "before-ack" | "before-ev" | "before-delta";

export interface MockOptions {
  /** True: cut the connection here. */
  cut?: (point: Point) => boolean;
  /** What the bot answers to a text; empty: nothing. */
  bot?: (text: string) => string[];
  /** The bot's answers stream in pieces first. */
  stream?: boolean;
  /** Replays longer than this are resets. */
  replay?: number;
  /** Frames of the client that get no answer at all. */
  ignore?: (frame: ClientFrame) => boolean;
  nack?: (frame: ClientFrame) => { code: string; retry?: number } | undefined;
  /** Nothing gets through. */
  offline?: boolean;
  /** Sockets never open. */
  noSockets?: boolean;
  /** Streams answer, but nothing comes through. */
  buffering?: boolean;
  latencyMs?: number;
}

export class MockGateway {
  readonly conversations = new Map<string, Conversation>();
  readonly users = new Map<string, string>();
  readonly frames: ClientFrame[] = [];
  readonly requests: string[] = [];
  readonly sockets = new Set<MockSocket>();
  readonly polls = new Set<(frames: ServerFrame[]) => void>();
  readonly streams = new Set<(frame: ServerFrame) => void>();
  private readonly memory = new Map<string, AckFrame>();
  private count = 0;
  options: MockOptions;
  opened = 0;

  constructor(options: MockOptions = {}) {
    this.options = { latencyMs: 1, replay: 500, ...options };
  }

  /** Hand this to `createClient`. */
  get surroundings(): { WebSocket: typeof WebSocket; fetch: typeof fetch } {
    const gateway = this;
    return {
      WebSocket: class extends MockSocket {
        constructor() {
          super(gateway);
        }
      } as unknown as typeof WebSocket,
      fetch: ((input: string, init?: RequestInit) => this.http(String(input), init)) as typeof fetch,
    };
  }
  cut(point: Point): boolean {
    return this.options.cut?.(point) ?? false;
  }
  /** Cuts every connection. */
  drop(code = 1006): void {
    for (const socket of [...this.sockets]) socket.die(code);
  }
  received<T extends ClientFrame["t"]>(t: T): Extract<ClientFrame, { t: T }>[] {
    return this.frames.filter((frame): frame is Extract<ClientFrame, { t: T }> => frame.t === t);
  }
  /** Messages of a conversation, or of all, as they were stored. */
  stored(conv?: string): Stored[] {
    return [...this.conversations.values()]
      .filter((one) => conv === undefined || one.id === conv)
      .flatMap((one) => one.items.filter((item) => item.kind === "msg").map((item) => item.data as Stored));
  }
  userOf(token: string | undefined): { id: string; tok?: string } {
    const known = token === undefined ? undefined : this.users.get(token);
    if (known) return { id: known };
    const tok = `tok${"x".repeat(30)}${++this.count}`;
    const id = `u${this.count}`;
    this.users.set(tok, id);
    return { id, tok };
  }
  openConversation(owner: string): Conversation {
    const conversation = { id: `c${++this.count}`, owner, items: [], trimmed: 0 };
    this.conversations.set(conversation.id, conversation);
    return conversation;
  }
  activeOf(user: string): Conversation | undefined {
    return [...this.conversations.values()].filter((one) => one.owner === user).at(-1);
  }
  append(conv: string, kind: string, data: Record<string, unknown>): EvFrame {
    const conversation = this.conversations.get(conv);
    if (!conversation) throw new Error(`no conversation ${conv}`);
    const item: EvFrame = { t: "ev", conv, seq: conversation.items.length + 1, kind, data };
    conversation.items.push(item);
    return item;
  }
  /** Something the bot says, to whoever listens. */
  say(conv: string, text: string, more: Record<string, unknown> = {}): EvFrame {
    const item = this.append(conv, "msg", {
      id: `m${++this.count}`,
      from: "bot",
      ts: Date.now(),
      type: "text",
      text,
      ...more,
    });
    this.broadcast(item);
    return item;
  }
  broadcast(frame: ServerFrame, except?: MockSocket): void {
    for (const socket of this.sockets) if (socket !== except) socket.push(frame);
    for (const stream of this.streams) stream(frame);
    for (const poll of [...this.polls]) poll([frame]);
  }
  private bot(conv: string, text: string): void {
    for (const answer of this.options.bot?.(text) ?? []) {
      const draft = this.options.stream ? `d${++this.count}` : undefined;
      if (draft) {
        for (let n = 0; n < 3; n++) {
          if (this.cut("before-delta")) this.drop();
          this.broadcast({ t: "delta", conv, mid: draft, n, s: answer.slice(n * 2, n === 2 ? undefined : n * 2 + 2) });
        }
      }
      this.say(conv, answer, draft ? { draft } : {});
    }
  }

  /** The answer to a frame; null: the connection was cut. */
  handle(user: string, frame: ClientFrame, from?: MockSocket): ServerFrame[] | null {
    this.frames.push(frame);
    if (this.options.ignore?.(frame)) return [];
    if (frame.t === "ping") return [{ t: "pong" }];
    if (frame.t === "sync") return Object.entries(frame.cur).flatMap(([conv, cur]) => this.replay(conv, cur));
    if (!("id" in frame)) return [];
    const refused = this.options.nack?.(frame);
    if (refused) return [{ t: "nack", id: frame.id, ...refused }];
    if (frame.t === "auth" || frame.t === "user") return [{ t: "ack", id: frame.id }];
    if (frame.t === "conv") {
      const conv = frame.op === "new" ? this.openConversation(user).id : frame.conv;
      return conv ? [{ t: "ack", id: frame.id, conv }] : [{ t: "nack", id: frame.id, code: "bad" }];
    }
    const key = `${user} ${frame.id}`;
    const before = this.memory.get(key);
    if (before) return [before];
    if (this.cut("before-commit")) return null;
    const conversation =
      (frame.conv ? this.conversations.get(frame.conv) : undefined) ??
      this.activeOf(user) ??
      this.openConversation(user);
    const mid = `m${++this.count}`;
    const data =
      frame.t === "send"
        ? { id: mid, cid: frame.id, from: "user", own: true, ts: Date.now(), ...frame.msg }
        : { id: mid, name: frame.name, data: frame.data, from: "user", ts: Date.now() };
    const item = this.append(conversation.id, frame.t === "send" ? "msg" : "event", data);
    const ack: AckFrame = { t: "ack", id: frame.id, mid, conv: conversation.id, seq: item.seq, ts: Date.now() };
    this.memory.set(key, ack);
    this.broadcast(item, from);
    if (frame.t === "send" && typeof frame.msg.text === "string") {
      const { text } = frame.msg;
      setTimeout(() => this.bot(conversation.id, String(text)), this.options.latencyMs ?? 1);
    }
    return this.cut("before-ack") ? null : [ack];
  }
  replay(conv: string, cur: number): ServerFrame[] {
    const conversation = this.conversations.get(conv);
    if (!conversation) return [];
    const missing = conversation.items.filter((item) => item.seq > cur);
    if (missing.length > (this.options.replay ?? 500) || cur < conversation.trimmed)
      return [{ t: "reset", conv, from: conversation.items.length + 1 }];
    return missing;
  }
  greet(hello: HelloFrame): { user: string; frames: ServerFrame[] } {
    const { id, tok } = this.userOf(hello.tok);
    const active = this.activeOf(id);
    const cur = Object.fromEntries(
      [...this.conversations.values()].filter((one) => one.owner === id).map((one) => [one.id, one.items.length]),
    );
    const replay = Object.entries(hello.cur ?? {}).flatMap(([conv, seq]) => this.replay(conv, seq));
    return {
      user: id,
      frames: [
        {
          t: "welcome",
          v: 1,
          sid: `s${++this.count}`,
          ...(tok ? { tok } : {}),
          user: { id, verified: false },
          ...(active ? { conv: active.id } : {}),
          cur,
          hb: 25,
        },
        ...replay,
      ],
    };
  }

  private async http(address: string, init: RequestInit = {}): Promise<Response> {
    await new Promise<void>((go) => setTimeout(go, this.options.latencyMs ?? 1));
    if (this.options.offline) throw new TypeError("network");
    const url = new URL(address);
    const path = url.pathname.replace("/webchat/v1/", "");
    this.requests.push(`${init.method ?? "GET"} ${path}`);
    const token = new Headers(init.headers).get("Authorization")?.slice(7);
    const user = token === undefined ? undefined : this.users.get(token);
    const json = (body: unknown, status = 200): Response =>
      new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
    if (path.startsWith("channels/")) return json({ name: "Site", typing: true, limits: { text: 100 } });
    if (path === "stream") return this.stream(JSON.parse(String(init.body)) as HelloFrame, init.signal);
    if (path === "poll")
      return json(await this.poll(JSON.parse(String(init.body)) as HelloFrame | SyncFrame, init.signal));
    if (!user) return json({ code: "unauthorized" }, 401);
    if (path === "frames")
      return json((JSON.parse(String(init.body)) as ClientFrame[]).flatMap((frame) => this.handle(user, frame) ?? []));
    if (path === "files")
      return json({ id: "f1", url: `${url.origin}/f/f1`, name: "cat.png", mime: "image/png", size: 3 }, 201);
    if (path === "session/logout") {
      this.users.delete(token ?? "");
      return new Response(null, { status: 204 });
    }
    const owned = [...this.conversations.values()].filter((one) => one.owner === user);
    if (path === "conversations")
      return json({
        conversations: owned.map((one) => ({
          id: one.id,
          updatedAt: one.items.length,
          seq: one.items.length,
          last: one.items.findLast((item) => item.kind === "msg")?.data,
        })),
      });
    const [, id, what] = path.split("/");
    const conversation = owned.find((one) => one.id === id);
    if (!conversation) return json({ code: "not_found" }, 404);
    if (what === "transcript") return new Response("transcript");
    if (init.method === "DELETE") {
      this.conversations.delete(conversation.id);
      return new Response(null, { status: 204 });
    }
    const before = Number(url.searchParams.get("before") ?? Infinity);
    const limit = Number(url.searchParams.get("limit") ?? 50);
    const rows = conversation.items.filter((item) => item.kind === "msg" && item.seq < before);
    const page = rows.slice(-limit).reverse();
    return json({
      messages: page.map((item) => ({ ...item.data, seq: item.seq })),
      more: rows.length > page.length,
      seq: conversation.items.length,
    });
  }
  private stream(hello: HelloFrame, signal?: AbortSignal | null): Response {
    const { frames } = this.greet(hello);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        if (this.options.buffering) return;
        const write = (frame: ServerFrame): void =>
          controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(frame)}\n\n`));
        frames.forEach(write);
        this.streams.add(write);
        signal?.addEventListener("abort", () => {
          this.streams.delete(write);
          try {
            controller.error(new Error("aborted"));
          } catch {
            // Over already.
          }
        });
      },
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  }
  private async poll(body: HelloFrame | SyncFrame, signal?: AbortSignal | null): Promise<ServerFrame[]> {
    if (body.t === "hello") return this.greet(body).frames;
    const missed = Object.entries(body.cur).flatMap(([conv, cur]) => this.replay(conv, cur));
    if (missed.length) return missed;
    return new Promise((resolve, reject) => {
      const done = (found: ServerFrame[]): void => {
        this.polls.delete(done);
        resolve(found);
      };
      this.polls.add(done);
      setTimeout(() => done([]), 25_000);
      signal?.addEventListener("abort", () => reject(new Error("aborted")));
    });
  }
}

/** The half of a WebSocket that a client sees. */
export class MockSocket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  private user = "";
  private dead = false;
  private readonly gateway: MockGateway;

  constructor(gateway: MockGateway) {
    this.gateway = gateway;
    gateway.opened++;
    this.soon(() => {
      if (gateway.options.noSockets || gateway.options.offline) return this.die(1006);
      gateway.sockets.add(this);
      this.onopen?.();
    });
  }
  private soon(run: () => void): void {
    setTimeout(() => !this.dead && run(), this.gateway.options.latencyMs ?? 1);
  }
  send(text: string): void {
    if (this.dead) throw new Error("closed");
    this.soon(() => {
      const frame = JSON.parse(text) as ClientFrame;
      if (frame.t === "hello") {
        this.gateway.frames.push(frame);
        const { user, frames } = this.gateway.greet(frame);
        this.user = user;
        for (const answer of frames) this.push(answer);
        return;
      }
      const answers = this.gateway.handle(this.user, frame, this);
      if (answers === null) this.die(1006);
      else for (const answer of answers) this.push(answer);
    });
  }
  push(frame: ServerFrame): void {
    this.soon(() => {
      if (frame.t === "ev" && this.gateway.cut("before-ev")) return this.die(1006);
      this.onmessage?.({ data: JSON.stringify(frame) });
    });
  }
  close(): void {
    this.dead = true;
    this.gateway.sockets.delete(this);
  }
  /** The gateway, or the network, ends it. */
  die(code: number): void {
    if (this.dead) return;
    this.close();
    setTimeout(() => this.onclose?.({ code }), 0);
  }
}
