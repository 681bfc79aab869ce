/**
 * The two roads over plain HTTP: streamed fetch and long poll, with `POST frames` for the way up. Loaded only where sockets
 * don't get through.
 */
import type { ClientFrame } from "./frames.ts";
import { toFrame } from "./parse.ts";
import type { Road, RoadEvents, RoadNeeds } from "./roads.ts";

/** HTTP status to the close code that a socket would have had. */
const closeCode = (status: number): number =>
  status === 503 ? 1013 : status >= 400 && status < 500 ? 4000 + status : 1011;

export function openFetch(kind: "sse" | "poll", needs: RoadNeeds, on: RoadEvents): Road {
  const { world, url, hello } = needs;
  const abort = new AbortController();
  let over = false;
  let sid = "";
  let queue: ClientFrame[] = [];
  let posting = false;

  const end = (code: number, buffered?: boolean): void => {
    if (over) return;
    over = true;
    abort.abort();
    on.closed(code, buffered);
  };
  const post = async (path: string, body: unknown, accept: string): Promise<Response> => {
    const token = needs.token();
    const headers: Record<string, string> = { "Content-Type": "application/json", Accept: accept };
    if (token) headers.Authorization = `Bearer ${token}`;
    const answer = await world.fetch(`${url}/webchat/v1/${path}`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      signal: abort.signal,
      credentials: "omit",
      cache: "no-store",
    });
    if (answer.ok) return answer;
    // Only the gateway's own refusal counts as one; a proxy's page is a bad way, and another one may be better.
    throw answer.headers.get("Content-Type")?.includes("json") ? closeCode(answer.status) : 1006;
  };
  const hear = (value: unknown): void => {
    const frame = toFrame(value);
    if (over || !frame) return;
    if (frame.t === "welcome") sid = frame.sid;
    on.frame(frame);
  };
  const hearAll = async (answer: Response): Promise<void> => {
    const frames: unknown = await answer.json();
    on.alive();
    if (Array.isArray(frames)) frames.forEach(hear);
  };
  const failed = (error: unknown): void => end(typeof error === "number" ? error : 1006);

  const flush = async (): Promise<void> => {
    if (posting) return;
    posting = true;
    try {
      while (queue.length && !over) {
        const frames = queue;
        queue = [];
        await hearAll(await post("frames", frames, "application/json"));
      }
    } catch (error) {
      failed(error);
    }
    posting = false;
  };

  const stream = async (): Promise<void> => {
    const late = world.setTimeout(() => end(1006, true), 5000);
    try {
      const answer = await post("stream", hello, "text/event-stream");
      const reader = answer.body?.getReader();
      if (!reader) return end(1006, true);
      const decoder = new TextDecoder();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        world.clearTimeout(late);
        if (done || over) break;
        on.alive();
        text += decoder.decode(value, { stream: true });
        const lines = text.split(/\r?\n/);
        text = lines.pop() ?? "";
        for (const line of lines) if (line.startsWith("data:")) hear(parseJson(line.slice(5)));
      }
      end(1006);
    } catch (error) {
      world.clearTimeout(late);
      failed(error);
    }
  };
  const poll = async (): Promise<void> => {
    try {
      await hearAll(await post("poll", hello, "application/json"));
      while (!over) {
        // The gateway holds for 25 s; a way that is dead for longer is given up.
        const late = world.setTimeout(() => end(1006), 40_000);
        const asked = world.now();
        try {
          await hearAll(await post("poll", { t: "sync", cur: needs.cursors(), sid }, "application/json"));
        } finally {
          world.clearTimeout(late);
        }
        // Whoever doesn't hold the poll must not be asked in a tight circle.
        const rest = 250 - (world.now() - asked);
        if (rest > 0) await new Promise<void>((go) => world.setTimeout(go, rest));
      }
    } catch (error) {
      failed(error);
    }
  };
  void (kind === "sse" ? stream() : poll());

  return {
    send(frame) {
      // The long poll is its own heartbeat.
      if (kind === "poll" && frame.t === "ping") return;
      queue.push(frame);
      void Promise.resolve().then(flush);
    },
    close() {
      over = true;
      abort.abort();
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
