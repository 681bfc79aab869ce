/** The one state of a client: snapshots that never change, and whoever wants to know of the next one. */
import { createEmitter, type Emitter, safely } from "./emitter.ts";
import type { Http } from "./http.ts";
import type { Link } from "./link.ts";
import type { Message } from "./messages.ts";
import type { Outbox, OutboxItem } from "./outbox.ts";
import type { Resume } from "./cursors.ts";
import type { Shelf } from "./storage.ts";
import type { TabWord } from "./tabs.ts";
import { createTimeline, type Timeline } from "./timeline.ts";
import type { ClientOptions, ClientState, Surroundings } from "./types.ts";

/** What is there from the first moment. */
export interface Base {
  readonly world: Surroundings;
  readonly options: ClientOptions;
  /** The gateway's address, no slash at the end. */
  readonly url: string;
  /** Name of this tab. */
  readonly tab: string;
  readonly shelf: Shelf;
  readonly emitter: Emitter;
  readonly timeline: Timeline;
  readonly outbox: Outbox;
  state(): ClientState;
  set(patch: Partial<ClientState>): void;
  subscribe(run: () => void): () => void;
  /** Several changes, one notice. */
  batch(run: () => void): void;
  /** Puts a row of the active conversation, or changes it, and shows it. */
  put(row: Message): void;
  drop(key: string): void;
  /** Writes to the outbox and shows it; sent when there is a link. Throws if there is no room or it is too large. */
  queue(frame: OutboxItem["frame"]): void;
}

/** And once the engine runs. */
export interface Core extends Base {
  readonly resume: Resume;
  readonly link: Link;
  readonly http: Http;
  tell(word: TabWord): void;
}

export const LIMITS = { frame: 65_536, text: 4000, file: 20 * 1024 * 1024 };

export const blank = (): Omit<ClientState, "connection" | "limits" | "config"> => ({
  user: null,
  conversationId: null,
  conversations: [],
  messages: [],
  history: { loaded: false, loading: false, more: false },
  typing: null,
  unread: 0,
  outboxFull: false,
});

/** The parts of a core that stand on nothing else. */
export function createState(
  options: ClientOptions,
): Pick<Base, "state" | "set" | "subscribe" | "batch" | "put" | "drop" | "emitter" | "timeline"> {
  let state: ClientState = {
    ...blank(),
    connection: { state: "idle", attempt: 0 },
    limits: { ...LIMITS, ...options.config?.limits },
    config: options.config ?? null,
  };
  const watchers = new Set<() => void>();
  let depth = 0;
  let dirty = false;
  const timeline = createTimeline();

  const notify = (): void => {
    if (depth || !dirty) return;
    dirty = false;
    for (const run of [...watchers]) safely(run);
  };
  const set = (patch: Partial<ClientState>): void => {
    const next = { ...state, ...patch };
    if ((Object.keys(patch) as (keyof ClientState)[]).every((key) => state[key] === next[key])) return;
    state = next;
    dirty = true;
    notify();
  };
  const show = (): void => set({ messages: timeline.rows() });
  return {
    emitter: createEmitter(),
    timeline,
    state: () => state,
    set,
    subscribe(run) {
      watchers.add(run);
      return () => watchers.delete(run);
    },
    batch(run) {
      depth++;
      try {
        run();
      } finally {
        depth--;
        notify();
      }
    },
    put(row) {
      timeline.put(row);
      show();
    },
    drop(key) {
      timeline.drop(key);
      show();
    },
  };
}
