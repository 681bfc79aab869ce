/** The stream of stored items, applied in order: what each kind changes, and who is told. */
import type { Drafts } from "./drafts.ts";
import type { AckFrame, EvFrame } from "./frames.ts";
import type { Message, MessageStatus } from "./messages.ts";
import { isObject, textOf } from "./shape.ts";
import { readMessage, statusOf } from "./payload.ts";
import type { Core } from "./state.ts";
import type { ConversationOverview } from "./types.ts";

export interface Items {
  /** Applies an item that is next in line. */
  apply(frame: EvFrame): void;
  /** A row of history, or one that comes again: shown, nobody is told. */
  merge(row: Message): Message;
  /** Counts again what was not read. */
  count(): void;
  /** Read mark of a conversation. */
  mark(conv: string): number | undefined;
  /** True if that is news. */
  read(conv: string, seq: number): boolean;
  overview(conv: string, change: Partial<ConversationOverview>): void;
  /** Forgets the read marks. */
  forget(): void;
}

const ORDER = ["sending", "sent", "delivered", "read"];
/** Status only moves forward; `failed` is the gateway's last word. */
const further = (a: MessageStatus | undefined, b: MessageStatus | undefined): MessageStatus | undefined =>
  b === "failed" || a === undefined || ORDER.indexOf(b ?? "") > ORDER.indexOf(a) ? b : a;

export function createItems(
  core: Core,
  drafts: Drafts,
  /** An own message turns out to be stored. */
  settle: (ack: AckFrame) => void,
  quiet: (conv: string) => void,
): Items {
  const { state, set, timeline, put, drop, emitter, shelf, world } = core;
  const stored = shelf.read("read");
  const marks = new Map<string, number>(
    Object.entries(isObject(stored) ? stored : {}).filter(
      (entry): entry is [string, number] => typeof entry[1] === "number",
    ),
  );

  const overview = (conv: string, change: Partial<ConversationOverview>): void => {
    const known = state().conversations.find((other) => other.id === conv);
    const next = { ...(known ?? { id: conv, updatedAt: world.now(), unread: 0 }), ...change };
    set({
      conversations: [next, ...state().conversations.filter((other) => other !== known)].sort(
        (a, b) => b.updatedAt - a.updatedAt,
      ),
    });
  };
  const count = (): void => {
    const { conversationId, conversations } = state();
    const mark = conversationId === null ? 0 : (marks.get(conversationId) ?? 0);
    let unread = 0;
    for (const row of timeline.rows()) if (!row.own && row.from !== "system" && (row.seq ?? 0) > mark) unread++;
    for (const other of conversations) if (other.id !== conversationId) unread += other.unread;
    if (unread === state().unread) return;
    set({ unread });
    emitter.emit("unread", { count: unread });
  };
  const merge = (row: Message): Message => {
    const before =
      (row.id === undefined ? undefined : timeline.find(row.id)) ??
      (row.cid === undefined ? undefined : timeline.find(row.cid));
    const status = further(before?.status, row.status);
    const next: Message = {
      ...row,
      key: before?.key ?? row.key,
      ...(before?.cid && !row.cid ? { cid: before.cid } : {}),
      ...(row.seq === undefined && before?.seq !== undefined ? { seq: before.seq } : {}),
      ...(row.own && status ? { status } : {}),
    };
    put(next);
    return next;
  };

  const said = (frame: EvFrame): void => {
    const row = readMessage(frame.conv, frame.data, frame.seq);
    if (!row) return;
    const active = frame.conv === state().conversationId;
    overview(frame.conv, { updatedAt: row.ts, last: row });
    if (row.own) {
      if (row.cid && core.outbox.get(row.cid))
        settle({ t: "ack", id: row.cid, mid: row.id ?? "", conv: frame.conv, seq: frame.seq, ts: row.ts });
      if (active) merge(row);
      return;
    }
    let shown = row;
    if (active) {
      const key = drafts.replacedBy(row.id ?? "", textOf(frame.data.draft));
      // A page of history may have brought the message before: then the draft has no place to give.
      if (key !== undefined && timeline.find(row.id ?? "")) drop(key);
      shown = merge(key === undefined ? row : { ...row, key });
    } else {
      const unread = state().conversations.find((other) => other.id === frame.conv)?.unread ?? 0;
      if (row.from !== "system") overview(frame.conv, { unread: unread + 1 });
    }
    quiet(frame.conv);
    count();
    emitter.emit("message", shown);
  };

  return {
    apply(frame) {
      const { conv, data } = frame;
      const row = timeline.find(textOf(data.id) ?? "");
      switch (frame.kind) {
        case "msg":
          return said(frame);
        case "upd": {
          const next = row && readMessage(conv, data, row.seq);
          if (next) emitter.emit("messageUpdated", merge(next));
          return;
        }
        case "del":
          if (row) drop(row.key);
          count();
          if (typeof data.id === "string") emitter.emit("messageDeleted", { id: data.id, conv });
          return;
        case "status": {
          const status = further(row?.status, statusOf(data.status));
          if (!row || !row.own || !status || status === row.status) return;
          const error = textOf(data.reason);
          const next = { ...row, status, ...(error ? { error } : {}) };
          put(next);
          emitter.emit("messageStatus", { id: row.id ?? row.key, status });
          if (status === "failed")
            emitter.emit("messageFailed", { id: row.key, code: error ?? "failed", message: next });
          return;
        }
        case "conv":
          return overview(conv, {
            updatedAt: world.now(),
            ...(typeof data.title === "string" ? { title: data.title } : {}),
          });
        case "event":
          if (data.from !== "user") emitter.emit("customEvent", { name: textOf(data.name) ?? "", data: data.data });
      }
    },
    merge,
    count,
    mark: (conv) => marks.get(conv),
    read(conv, seq) {
      if ((marks.get(conv) ?? -1) >= seq) return false;
      marks.set(conv, seq);
      shelf.write("read", Object.fromEntries(marks));
      if (state().conversations.some((other) => other.id === conv && other.unread)) overview(conv, { unread: 0 });
      count();
      return true;
    },
    overview,
    forget: () => marks.clear(),
  };
}
