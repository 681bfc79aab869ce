/** Answers that stream in: `delta` frames become a row that grows, until a stored message takes its place. */
import type { DeltaFrame } from "./frames.ts";
import type { Message } from "./messages.ts";
import type { Core } from "./state.ts";

interface Draft {
  text: string;
  n: number;
  /** A piece is missing: nothing to add before the next full one. */
  gap: boolean;
  ts: number;
  timer?: unknown;
  /** Id of the stored message that will take its place. */
  final?: string;
}

export interface Drafts {
  delta(frame: DeltaFrame): void;
  /** Message `id` is stored. Gives the key of the draft whose place it takes. */
  replacedBy(id: string, draft: string | undefined): string | undefined;
  /** Ids of the drafts that grow. */
  live(): string[];
  clear(): void;
}

const INTERRUPTED_MS = 60_000;

export function createDrafts({ world, state, emitter, put, drop, timeline }: Core): Drafts {
  const drafts = new Map<string, Draft>();
  const over = new Set<string>();

  const row = (id: string, draft: Draft, status: "streaming" | "interrupted"): Message => ({
    key: id,
    conv: state().conversationId ?? "",
    from: "bot",
    own: false,
    ts: draft.ts,
    body: { type: "text", text: draft.text, format: "md" },
    draft: status,
  });
  const end = (id: string): void => {
    world.clearTimeout(drafts.get(id)?.timer);
    drafts.delete(id);
    // What is still on its way must not begin it again.
    over.add(id);
    if (over.size > 100) over.delete([...over][0] ?? "");
  };

  return {
    delta(frame) {
      const id = frame.mid;
      if (frame.conv !== state().conversationId || over.has(id)) return;
      const draft: Draft = drafts.get(id) ?? { text: "", n: -1, gap: false, ts: world.now() };
      if (frame.end) {
        if (frame.id && drafts.has(id) && !timeline.find(frame.id)) draft.final = frame.id;
        else {
          end(id);
          drop(id);
        }
        return;
      }
      drafts.set(id, draft);
      if (frame.full) {
        draft.text = frame.s;
        draft.gap = false;
      } else if (draft.gap || frame.n !== draft.n + 1) {
        // A repeat changes nothing; a jump waits for a snapshot.
        if (frame.n > draft.n) draft.gap = true;
        return;
      } else draft.text += frame.s;
      draft.n = frame.n;
      world.clearTimeout(draft.timer);
      draft.timer = world.setTimeout(() => put(row(id, draft, "interrupted")), INTERRUPTED_MS);
      put(row(id, draft, "streaming"));
      emitter.emit("delta", { key: id, text: draft.text });
    },
    replacedBy(id, named) {
      const found = named ?? (drafts.has(id) ? id : [...drafts].find(([, draft]) => draft.final === id)?.[0]);
      if (found === undefined) return undefined;
      const shown = timeline.find(found) !== undefined;
      end(found);
      return shown ? found : undefined;
    },
    live: () => [...drafts.keys()],
    clear() {
      for (const id of [...drafts.keys()]) end(id);
    },
  };
}
