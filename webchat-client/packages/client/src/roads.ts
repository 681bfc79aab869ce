/**
 * Three roads to the gateway, one interface: WebSocket, streamed fetch, long poll. A road carries frames from `hello` to
 * its end; it knows nothing of reconnecting (`link.ts`) or of messages (`client.ts`).
 */
import type { ClientFrame, HelloFrame, ServerFrame } from "./frames.ts";
import { readFrame } from "./parse.ts";
import type { Surroundings } from "./types.ts";

export type RoadKind = "ws" | "sse" | "poll";

export interface Road {
  send(frame: ClientFrame): void;
  /** Ends the road; `closed` is not called any more. */
  close(): void;
}

export interface RoadEvents {
  frame(frame: ServerFrame): void;
  /** Some sign of life that is no frame. */
  alive(): void;
  /** Called once. 1006: lost. `buffered`: the way works, but something in between holds bytes back. */
  closed(code: number, buffered?: boolean): void;
}

export interface RoadNeeds {
  world: Surroundings;
  /** The gateway's address, no slash at the end. */
  url: string;
  hello: HelloFrame;
  token(): string | null;
  /** Cursors for the next poll. */
  cursors(): Record<string, number>;
}

export function openRoad(kind: RoadKind, needs: RoadNeeds, on: RoadEvents): Road {
  if (kind === "ws") return openSocket(needs, on);
  let road: Road | undefined;
  let over = false;
  import("./fallbacks.ts").then(
    ({ openFetch }) => {
      if (!over) road = openFetch(kind, needs, on);
    },
    () => over || on.closed(1006),
  );
  return {
    send: (frame) => road?.send(frame),
    close() {
      over = true;
      road?.close();
    },
  };
}

function openSocket({ world, url, hello }: RoadNeeds, on: RoadEvents): Road {
  let over = false;
  const end = (code: number): void => {
    if (over) return;
    over = true;
    on.closed(code);
  };
  let socket: WebSocket | undefined;
  try {
    socket = world.WebSocket && new world.WebSocket(`${url.replace(/^http/, "ws")}/webchat/v1/ws`, "portico.v1");
  } catch {
    socket = undefined; // an address that no socket takes, or a policy that forbids it
  }
  if (!socket) {
    world.setTimeout(() => end(1006), 0);
    return { send() {}, close: () => (over = true) };
  }
  const open = socket;
  const send = (frame: ClientFrame): void => {
    try {
      open.send(JSON.stringify(frame));
    } catch {
      // Not open (any more): `onclose` follows, and what matters is in the outbox.
    }
  };
  open.onopen = () => send(hello);
  open.onmessage = (event) => {
    if (over) return;
    on.alive();
    const frame = typeof event.data === "string" ? readFrame(event.data) : undefined;
    if (frame) on.frame(frame);
  };
  open.onclose = (event) => end(event.code);
  return {
    send,
    close() {
      over = true;
      try {
        open.close(1000);
      } catch {
        // Never opened.
      }
    },
  };
}
