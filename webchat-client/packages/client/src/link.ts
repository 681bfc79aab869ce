/**
 * Keeps a road to the gateway open: rules 6 and 7 of the wire, close codes, and the choice of the road.
 *
 * One state at a time (`Connection`); a generation number makes everything that belongs to an earlier try void.
 */
import type { ClientFrame, HelloFrame, ServerFrame, WelcomeFrame } from "./frames.ts";
import { openRoad, type Road, type RoadKind } from "./roads.ts";
import { backoffMs } from "./surroundings.ts";
import type { Connection, Surroundings } from "./types.ts";

export interface Link {
  readonly state: Connection;
  /** Wants a link. `wake` cuts a wait short (not one that the gateway asked for), `again` tries after a refusal. */
  open(wake?: boolean, again?: boolean): void;
  /** Wants none. */
  close(): void;
  /** Not heard of for too long, or to be greeted anew: closes the road and opens another at once. */
  renew(): void;
  /** False if there is no welcomed link. */
  send(frame: ClientFrame): boolean;
}

export interface LinkNeeds {
  world: Surroundings;
  url: string;
  /** Made right before each try: reads the token from storage, asks for a fresh JWT. */
  hello(): Promise<HelloFrame>;
  token(): string | null;
  cursors(): Record<string, number>;
  /** Runs `run` alone among tabs if there is no token yet; `run` resolves when it has one, or failed. */
  alone(run: () => Promise<void>): Promise<void>;
  changed(state: Connection): void;
  frame(frame: ServerFrame): void;
  welcome(frame: WelcomeFrame): void;
  /** The link is gone; called for each loss, before the state changes. */
  lost(code: number): void;
}

const STOP = [4400, 4403, 4404, 4410, 4426];
const WELCOME_MS = 10_000;
const STABLE_MS = 30_000;
/** Most tries that count once messages came through: delays up to 2 s. */
const PROGRESS = 2;
const SOCKET_AGAIN_MS = 300_000;

export function createLink(needs: LinkNeeds): Link {
  const { world } = needs;
  let state: Connection = { state: "idle", attempt: 0 };
  let generation = 0;
  let road: Road | undefined;
  let timers: unknown[] = [];
  let kind: RoadKind = "ws";
  /** Sockets that failed before `welcome`, one after another. */
  let failures = 0;
  let socketAgainAt = 0;
  let attempt = 0;
  let lastTry = 0;
  /** Before this moment only the gateway's word counts. */
  let notBefore = 0;
  let byeRetry: number | undefined;
  let heard = 0;
  let tellStarted: (() => void) | undefined;

  const set = (next: Connection): void => {
    state = next;
    needs.changed(next);
  };
  const later = (run: () => void, ms: number): void => {
    const mine = generation;
    timers.push(world.setTimeout(() => mine === generation && run(), ms));
  };
  const clean = (): void => {
    generation++;
    for (const timer of timers) world.clearTimeout(timer);
    timers = [];
    road?.close();
    road = undefined;
    tellStarted?.();
    tellStarted = undefined;
  };

  const lost = (code: number, buffered = false): void => {
    const welcomed = state.state === "open";
    const used = kind;
    clean();
    needs.lost(code);
    if (STOP.includes(code)) return set({ state: "stopped", attempt, code });

    // 4401 and the like are answers: the road works. Only silence and refusals to connect count against it.
    if (!welcomed && code < 4000) {
      if (used === "ws") {
        if (++failures >= 2) kind = "sse";
      } else if (used === "sse" && buffered) kind = "poll";
      else {
        // Nothing got through at all, so the network is to blame: a socket gets the next try.
        kind = "ws";
        failures = 1;
      }
      if (kind !== "ws" && used === "ws") socketAgainAt = world.now() + SOCKET_AGAIN_MS;
    }
    let delay = backoffMs(attempt, world.random);
    if (code === 4401 && attempt === 0) delay = 0;
    if (code === 4429) delay = Math.max(delay, 5000);
    if (byeRetry !== undefined) delay = byeRetry;
    notBefore = byeRetry !== undefined || code === 4429 ? world.now() + delay : 0;
    byeRetry = undefined;
    attempt++;
    // 4409: another tab took the place. Only a tab that is looked at fights for it.
    const asleep = code === 4409 && world.document?.visibilityState === "hidden";
    set({ state: "waiting", attempt, code, ...(asleep ? {} : { retryInMs: delay }) });
    if (!asleep) later(start, delay);
  };

  const beat = (everyMs: number, pingedAt?: number): void => {
    later(
      () => {
        const silent = world.now() - heard;
        // A ping that was not answered, rather than a clock that jumped: throttled timers must not cut a live link.
        if (pingedAt !== undefined && heard < pingedAt) return lost(1006);
        if (silent >= everyMs) {
          road?.send({ t: "ping" });
          return beat(everyMs, world.now());
        }
        beat(everyMs);
      },
      pingedAt === undefined ? Math.max(0, everyMs - (world.now() - heard)) : everyMs,
    );
  };

  const welcomed = (frame: WelcomeFrame): void => {
    // A second welcome on the same road answers `auth`.
    if (state.state !== "open") {
      for (const timer of timers) world.clearTimeout(timer);
      timers = [];
      if (kind === "ws") failures = 0;
      else later(renew, Math.max(0, socketAgainAt - world.now()));
      if (attempt)
        later(() => {
          attempt = 0;
          set({ state: "open", attempt: 0, transport: kind });
        }, STABLE_MS);
      if (kind !== "poll") beat(frame.hb * 1000);
      // Before the state is shown: whoever sees `open` may rely on user and conversation.
      needs.welcome(frame);
      tellStarted?.();
      tellStarted = undefined;
      set({ state: "open", attempt, transport: kind });
    } else needs.welcome(frame);
  };

  const start = (): void => {
    clean();
    const mine = generation;
    lastTry = world.now();
    if (kind !== "ws" && lastTry >= socketAgainAt) {
      kind = "ws";
      // One failure leads back to the fallback.
      failures = 1;
    }
    set({ state: "connecting", attempt, transport: kind });
    const run = async (): Promise<void> => {
      if (mine !== generation) return;
      const hello = await needs.hello();
      if (mine !== generation) return;
      later(() => lost(1006), WELCOME_MS);
      heard = world.now();
      const started = new Promise<void>((resolve) => {
        tellStarted = resolve;
      });
      road = openRoad(
        kind,
        { world, url: needs.url, hello, token: needs.token, cursors: needs.cursors },
        {
          alive: () => {
            heard = world.now();
          },
          closed: (code, buffered) => mine === generation && lost(code, buffered),
          frame: (frame) => {
            if (mine !== generation) return;
            if (frame.t === "welcome") welcomed(frame);
            else if (frame.t === "bye") byeRetry = frame.retry ?? undefined;
            else if (frame.t !== "pong") {
              // A link that carries messages is a working one, however short it lives: no half minute of waiting.
              if (frame.t === "ack" || frame.t === "ev") attempt = Math.min(attempt, PROGRESS);
              needs.frame(frame);
            }
          },
        },
      );
      await started;
    };
    // No answer to "who are you" is like no network: try again later.
    needs.alone(run).catch(() => mine === generation && lost(4408));
  };

  const renew = (): void => {
    if (state.state !== "open" && state.state !== "connecting") return;
    clean();
    needs.lost(1000);
    start();
  };

  return {
    get state() {
      return state;
    },
    open(wake = false, again = false) {
      if (state.state === "idle" || (state.state === "stopped" && again)) start();
      else if (state.state === "waiting" && wake && world.now() >= notBefore && world.now() - lastTry > 1000) start();
    },
    close() {
      if (state.state === "idle") return;
      clean();
      needs.lost(1000);
      attempt = 0;
      set({ state: "idle", attempt: 0 });
    },
    renew,
    send(frame) {
      if (state.state !== "open" || !road) return false;
      road.send(frame);
      return true;
    },
  };
}
