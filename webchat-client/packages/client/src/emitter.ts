/** Listeners by event name. One that throws is reported and never stops the others, nor the client. */
import type { AnyEvent, ClientEvents } from "./types.ts";

type Run = (payload: never) => void;

export interface Emitter {
  on(event: string, run: Run): () => void;
  once(event: string, run: Run): () => void;
  off(event: string, run: Run): void;
  emit<E extends keyof ClientEvents>(event: E, payload: ClientEvents[E]): void;
}

/** Calls `run`; what it throws goes to the console. */
export function safely(run: () => void): void {
  try {
    run();
  } catch (error) {
    globalThis.console?.error(error);
  }
}

export function createEmitter(): Emitter {
  const listeners = new Map<string, Set<Run>>();
  const off = (event: string, run: Run): void => {
    listeners.get(event)?.delete(run);
  };
  const on = (event: string, run: Run): (() => void) => {
    const set = listeners.get(event) ?? new Set<Run>();
    listeners.set(event, set.add(run));
    return () => off(event, run);
  };
  return {
    on,
    off,
    once(event, run) {
      const stop = on(event, (payload) => {
        stop();
        run(payload);
      });
      return stop;
    },
    emit(event, payload) {
      const call = (name: string, value: unknown): void => {
        for (const run of [...(listeners.get(name) ?? [])]) safely(() => run(value as never));
      };
      call(event, payload);
      call("*", { type: event, payload } as AnyEvent);
    },
  };
}
