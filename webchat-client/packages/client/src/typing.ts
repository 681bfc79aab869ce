/** Who types: others, shown for 30 s at most; the visitor, told every 3 s at most and only where the channel asks. */
import type { Core } from "./state.ts";

export interface TypingSigns {
  /** Somebody else types, or has stopped. */
  shown(on: boolean, by?: string): void;
  /** A key was pressed, or the message was sent. */
  told(on: boolean): void;
  stop(): void;
}

const SHOWN_MS = 30_000;
const TOLD_MS = 3000;
const IDLE_MS = 5000;

export function createTyping({ world, state, set, emitter, link }: Core): TypingSigns {
  let hide: unknown;
  let idle: unknown;
  let toldAt = -Infinity;

  const shown = (on: boolean, by?: string): void => {
    world.clearTimeout(hide);
    if (!on && state().typing === null) return;
    set({ typing: on ? (by ? { by } : {}) : null });
    emitter.emit("typing", { on, ...(by ? { name: by } : {}) });
    if (on) hide = world.setTimeout(() => shown(false), SHOWN_MS);
  };
  const told = (on: boolean): void => {
    const { conversationId, config } = state();
    if (conversationId === null || config?.typing !== true) return;
    world.clearTimeout(idle);
    if (!on) {
      if (toldAt !== -Infinity) link.send({ t: "typing", conv: conversationId, on: false });
      toldAt = -Infinity;
      return;
    }
    idle = world.setTimeout(() => told(false), IDLE_MS);
    if (world.now() - toldAt < TOLD_MS) return;
    toldAt = world.now();
    link.send({ t: "typing", conv: conversationId, on: true });
  };
  return {
    shown,
    told,
    stop() {
      world.clearTimeout(hide);
      world.clearTimeout(idle);
    },
  };
}
