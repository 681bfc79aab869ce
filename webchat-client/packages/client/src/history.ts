/** Pages of the past, read over HTTP. */
import type { Items } from "./items.ts";
import type { Message } from "./messages.ts";
import { isObject } from "./shape.ts";
import { readMessage } from "./payload.ts";
import type { Core } from "./state.ts";
import { ClientError, type ListMessages, type MessagePage } from "./types.ts";

export interface History {
  /**
   * Newest page of the active conversation, if it is not there yet; tries again by itself while the link is open.
   * `after`: a reset. Rows that the page should have and does not have are gone; who spoke since is announced.
   */
  load(reset?: { after: number; from: number }): Promise<void>;
  page(query?: ListMessages): Promise<MessagePage>;
  more(): Promise<void>;
}

const PAGE = 50;
const AGAIN_MS = 3000;
const count = (value: unknown): number | undefined => (Number.isSafeInteger(value) ? (value as number) : undefined);

export function createHistory(core: Core, items: Items): History {
  const { http, state, set, resume, timeline, drop, link, world, emitter, batch } = core;
  let tries = 0;
  /** A reset whose page did not come yet. */
  let owed: { conv: string; after: number; from: number } | undefined;

  const fetchPage = async (
    conv: string,
    { before, limit }: ListMessages,
  ): Promise<{ rows: Message[]; more: boolean; seq: number | undefined }> => {
    const query = new URLSearchParams({ limit: String(limit ?? PAGE), ...(before ? { before: String(before) } : {}) });
    const data: unknown = await (await http(`conversations/${encodeURIComponent(conv)}/messages?${query}`)).json();
    const found = isObject(data) && Array.isArray(data.messages) ? data.messages : [];
    const rows = found
      .flatMap((entry) => (isObject(entry) ? (readMessage(conv, entry) ?? []) : []))
      .sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0));
    const { more, seq } = isObject(data) ? data : {};
    return { rows, more: typeof more === "boolean" ? more : found.length >= (limit ?? PAGE), seq: count(seq) };
  };
  const setHistory = (patch: Partial<ReturnType<typeof state>["history"]>): void =>
    set({ history: { ...state().history, ...patch } });
  const active = (): string => {
    const conv = state().conversationId;
    if (conv === null) throw new ClientError("not_found", "there is no conversation yet: send something first");
    return conv;
  };

  const load = async (news?: { after: number; from: number }): Promise<void> => {
    const conv = state().conversationId;
    if (conv === null) return;
    if (news)
      owed = { conv, from: news.from, after: Math.min(news.after, owed?.conv === conv ? owed.after : Infinity) };
    const reset = owed?.conv === conv ? owed : undefined;
    if (!reset && (state().history.loaded || state().history.loading)) return;
    setHistory({ loading: true });
    try {
      const { rows, more, seq } = await fetchPage(conv, {});
      if (state().conversationId !== conv) return;
      batch(() => {
        const ids = new Set(rows.map((row) => row.id));
        const first = rows[0]?.seq ?? Infinity;
        if (reset)
          for (const row of timeline.rows())
            if (row.seq !== undefined && row.seq < reset.from && !ids.has(row.id)) drop(row.key);
        const shown = rows.map(items.merge);
        const missed = shown.filter(
          (row) => !row.own && reset && row.seq && row.seq > reset.after && row.seq < reset.from,
        );
        setHistory({ loaded: true, more: more && first > 1 });
        const head = seq ?? rows.at(-1)?.seq ?? 0;
        if (resume.get(conv) === undefined) {
          // Never heard of on this page: from here on live. What came in between is asked for.
          resume.set(conv, head);
          link.send({ t: "sync", cur: { [conv]: head } });
        }
        // On a device that sees the conversation for the first time, the past counts as read.
        if (items.mark(conv) === undefined) items.read(conv, head);
        items.count();
        for (const row of missed) emitter.emit("message", row);
      });
      tries = 0;
      if (owed === reset) owed = undefined;
    } catch (error) {
      if (state().conversationId !== conv) return;
      // Gone, or not ours. Everything else passes.
      if (error instanceof ClientError && [403, 404, 410].includes(error.status ?? 0)) throw error;
      if (link.state.state === "open" && tries++ < 5)
        world.setTimeout(() => {
          if (state().conversationId === conv) void load().catch(() => undefined);
        }, AGAIN_MS * tries);
    } finally {
      if (state().conversationId === conv) setHistory({ loading: false });
    }
  };

  const page = async (query: ListMessages = {}): Promise<MessagePage> => {
    const conv = active();
    const { rows, more } = await fetchPage(conv, query);
    let messages = rows;
    if (state().conversationId === conv)
      batch(() => {
        messages = rows.map(items.merge);
      });
    return { messages, more };
  };

  return {
    load,
    page,
    async more() {
      const before = timeline.rows()[0]?.seq;
      if (state().history.loading || !state().history.more || before === undefined) return load();
      const conv = active();
      setHistory({ loading: true });
      try {
        const { more } = await page({ before });
        if (state().conversationId === conv) setHistory({ more });
      } finally {
        if (state().conversationId === conv) setHistory({ loading: false });
      }
    },
  };
}
