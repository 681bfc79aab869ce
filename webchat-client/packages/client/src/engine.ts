/**
 * The running client: what happens between the gateway's frames and the state that a view shows.
 *
 * Loaded when a link is first wanted (`client.ts` is what a page begins with). The parts stand alone: `link.ts` keeps the
 * connection, `sending.ts` empties the outbox, `cursors.ts` keeps order, `items.ts` applies what arrives. This file
 * joins them.
 */
import { createResume } from "./cursors.ts";
import { createDrafts } from "./drafts.ts";
import { safely } from "./emitter.ts";
import type { Extras } from "./extras.ts";
import type { AckFrame } from "./frames.ts";
import { createGreeting, type Settings } from "./greeting.ts";
import { createHistory, type History } from "./history.ts";
import { createHttp } from "./http.ts";
import { createIdentities } from "./identity.ts";
import { createItems } from "./items.ts";
import { createLink } from "./link.ts";
import type { OutboxItem } from "./outbox.ts";
import { watchPage } from "./page.ts";
import { sendingRow } from "./queue.ts";
import { createReceiving } from "./receiving.ts";
import { createSending } from "./sending.ts";
import { isObject } from "./shape.ts";
import { type Base, blank, type Core } from "./state.ts";
import { createTabs, type TabWord } from "./tabs.ts";
import { createTyping } from "./typing.ts";
import { type Client, ClientError } from "./types.ts";

export interface Engine {
  connect(): Promise<void>;
  disconnect(): void;
  destroy(): void;
  /** Something was put into the outbox. */
  queued(item: OutboxItem): void;
  /** Resolves when item `id` of the outbox was acknowledged. */
  acked(id: string): Promise<AckFrame>;
  /** Ids of the drafts that grow. */
  drafts(): string[];
  typing(on: boolean): void;
  markRead(seq?: number): void;
  tell(word: TabWord): void;
  /** The storage is another one now. */
  moved(): void;
  readonly history: History;
  /** The part that is loaded on first use. */
  extras(): Promise<Extras>;
  /** The same, if it is there already. */
  loaded(): Extras | undefined;
}

export function createEngine(
  base: Base,
  settings: Settings,
  client: Client,
  sharedWatchers: Map<string, Set<(value: unknown) => void>>,
): Engine {
  const { world, options, url, tab, state, set, batch, emitter, timeline, shelf, outbox, put, drop } = base;
  const { channel } = options;
  const identities = createIdentities(world, options.getToken);
  const token = (): string | null => shelf.get("token");
  const stored = shelf.read("cur");
  const resume = createResume(
    Object.fromEntries(
      Object.entries(isObject(stored) ? stored : {}).filter((entry): entry is [string, number] =>
        Number.isSafeInteger(entry[1]),
      ),
    ),
    (all) => shelf.write("cur", Object.keys(all).length ? all : undefined),
  );

  /** Somebody asked for a link; a sleeping tab takes it up again. */
  let wanted = false;
  /** The gateway has yet to learn how far the visitor has read. */
  let tellRead = false;
  let connecting: { promise: Promise<void>; resolve: () => void; reject: (error: ClientError) => void } | undefined;

  // --- the link -------------------------------------------------------------------------------------------------

  const greeting = createGreeting(base, resume, settings, client, identities, {
    history: () => history,
    stranger() {
      tell({ k: "logout" });
      forget(true);
    },
    activate: (conv) => activate(conv),
    prove: () => prove(),
  });
  const link = createLink({
    world,
    url,
    hello: greeting.hello,
    token,
    cursors: () => {
      const { conversationId } = state();
      const seq = conversationId === null ? undefined : resume.get(conversationId);
      return conversationId === null || seq === undefined ? {} : { [conversationId]: seq };
    },
    async alone(run) {
      await tabs.start();
      if (token() || !shelf.shared() || !world.locks) return run();
      let begun = false;
      await world.locks
        .request(`portico:${channel}:init`, () => {
          begun = true;
          return run();
        })
        .catch((error: unknown) => {
          // A frame without storage of its own is refused the lock; it must speak all the same.
          if (begun) throw error;
          return run();
        });
    },
    changed(connection) {
      set({ connection });
      emitter.emit("connection", connection);
      if (connection.state === "open") {
        connecting?.resolve();
        connecting = undefined;
        if (tellRead) readTold();
      } else if (connection.state === "stopped") {
        if (connection.code === 4426) emitter.emit("outdated", {});
        else emitter.emit("error", { code: String(connection.code), message: "the gateway refused the connection" });
        connecting?.reject(
          new ClientError("stopped", `the gateway refused the connection (${connection.code})`, connection.code),
        );
        connecting = undefined;
      }
      sending.pump();
    },
    frame: (frame) => batch(() => receiving.take(frame)),
    welcome: (frame) => batch(() => greeting.welcome(frame)),
    lost(code) {
      if (code === 4413) sending.tooLarge();
      sending.lost();
      receiving.lost();
      greeting.lost();
      if (code === 4401) greeting.refused(link.state.attempt > 0);
    },
  });

  const tell = (word: TabWord): void => tabs.tell(word);
  const http = createHttp(world, url, token);
  const core: Core = { ...base, resume, link, http, tell };
  const drafts = createDrafts(core);
  const typing = createTyping(core);

  const sending = createSending(core, {
    conversation(conv, seq) {
      if (state().conversationId === null) name(conv, seq);
      else if (resume.get(conv) === undefined && seq !== undefined) resume.set(conv, seq - 1);
    },
    stored(item, ack) {
      const { id } = item.frame;
      if (item.frame.t !== "send") return receiving.receive(ack);
      const row = timeline.find(id) ?? sendingRow(item);
      if (!row) return;
      const { error: _, ...rest } = row;
      const sent = {
        ...rest,
        conv: ack.conv || row.conv,
        status: row.status === "delivered" || row.status === "read" ? row.status : ("sent" as const),
        ...(ack.mid ? { id: ack.mid } : {}),
        ...(ack.seq ? { seq: ack.seq } : {}),
        ...(ack.ts ? { ts: ack.ts } : {}),
      };
      if (timeline.find(id)) put(sent);
      receiving.receive(ack);
      if (sent.conv) items.overview(sent.conv, { updatedAt: sent.ts, last: sent });
      emitter.emit("messageSent", sent);
    },
    refused() {
      if (!identities.expire()) return false;
      void prove().catch(() => undefined);
      return true;
    },
  });
  const items = createItems(
    core,
    drafts,
    (ack) => sending.ack(ack),
    (conv) => {
      if (conv === state().conversationId) typing.shown(false);
    },
  );
  const history = createHistory(core, items);
  const receiving = createReceiving(core, {
    items,
    drafts,
    typing,
    history,
    sending,
    activate: (conv) => activate(conv),
  });

  const tabs = createTabs(world, channel, tab, shelf, {
    adopt(older) {
      outbox.adopt(older);
      const { conversationId } = state();
      if (conversationId !== null) outbox.rename("", conversationId);
      project();
      sending.pump();
    },
    word(word) {
      batch(() => {
        if (word.k === "own") {
          const known = timeline.find(word.row.key);
          if (word.row.conv === (state().conversationId ?? "") && known?.seq === undefined) put(word.row);
        } else if (word.k === "gone") drop(word.id);
        else if (word.k === "read") items.read(word.conv, word.seq);
        else if (word.k === "shared")
          for (const run of sharedWatchers.get(word.key) ?? []) safely(() => run(word.value));
        else if (word.k === "logout") ended(false);
      });
    },
  });
  const stopPage = watchPage(world, {
    wake: () => {
      const asleep = link.state.state === "idle" && world.document?.visibilityState === "hidden";
      if (wanted && !asleep) link.open(true);
    },
    sleep: () => {
      if (!outbox.items().some((item) => !item.failed) && !drafts.live().length) link.close();
    },
    leave: () => {
      link.close();
      tabs.stop();
    },
    back: () => {
      if (!wanted) return;
      void tabs.start();
      link.open(true);
    },
  });

  // --- conversations --------------------------------------------------------------------------------------------

  /** Shows what the outbox holds for the active conversation. */
  const project = (): void => {
    for (const row of sending.rows(state().conversationId ?? "")) if (!timeline.find(row.key)) put(row);
  };
  const activate = (conv: string | null, fresh = false): void => {
    if (conv === state().conversationId) return;
    batch(() => {
      drafts.clear();
      timeline.retain(() => false);
      shelf.set("conv", conv);
      typing.shown(false);
      set({
        conversationId: conv,
        messages: timeline.rows(),
        history: { loaded: fresh, loading: false, more: false },
      });
      if (conv !== null) outbox.rename("", conv);
      project();
      items.count();
      emitter.emit("conversation", { id: conv });
    });
  };
  /** The conversation that the first messages made has a name now. */
  const name = (conv: string, seq: number | undefined): void => {
    const begun = timeline.rows();
    activate(conv, true);
    for (const row of begun) if (!timeline.find(row.key)) put({ ...row, conv });
    if (resume.get(conv) === undefined) resume.set(conv, 0);
    items.read(conv, 0);
    // What the gateway said before us, if anything, and what is said from now on.
    if ((seq ?? 1) > 1 || link.state.transport !== "ws") listen();
  };
  /** The gateway shows the active conversation from where the cursor stands. */
  const listen = (): void => {
    const { conversationId } = state();
    if (conversationId !== null) link.send({ t: "sync", cur: { [conversationId]: resume.get(conversationId) ?? 0 } });
  };

  // --- what goes out --------------------------------------------------------------------------------------------

  const connect = (): Promise<void> => {
    wanted = true;
    if (link.state.state === "open") return Promise.resolve();
    if (!connecting) {
      let resolve = (): void => undefined;
      let reject: (error: ClientError) => void = () => undefined;
      const promise = new Promise<void>((yes, no) => {
        resolve = yes;
        reject = no;
      });
      // Not everybody who asks for a link waits for it.
      promise.catch(() => undefined);
      connecting = { promise, resolve, reject };
    }
    const { promise } = connecting;
    link.open(true, true);
    return promise;
  };
  const readTold = (): void => {
    const { conversationId } = state();
    const seq = conversationId === null ? undefined : items.mark(conversationId);
    if (conversationId !== null && seq) tellRead = !link.send({ t: "read", conv: conversationId, seq });
  };
  const prove = async (): Promise<void> => {
    const jwt = await identities.token();
    if (jwt !== undefined) await sending.request({ t: "auth", jwt });
  };
  const disconnect = (): void => {
    wanted = false;
    link.close();
    connecting?.reject(new ClientError("closed", "disconnected before the gateway answered"));
    connecting = undefined;
  };
  let loading: Promise<Extras> | undefined;
  let loaded: Extras | undefined;
  const extras = (): Promise<Extras> => {
    loading ??= import("./extras.ts").then(
      ({ createExtras }) =>
        (loaded = createExtras({
          ...core,
          items,
          sending,
          history,
          identities,
          connect,
          activate,
          listen,
          prove,
          ended,
        })),
      (error: unknown) => {
        // Not there (offline, or an old page after a new release): the next call tries again.
        loading = undefined;
        throw error;
      },
    );
    return loading;
  };

  /** Drops everything that belongs to the visitor. */
  const forget = (here: boolean): void => {
    batch(() => {
      sending.abandon("closed");
      outbox.clear();
      drafts.clear();
      timeline.retain(() => false);
      resume.forget();
      items.forget();
      // The tab in which it began wipes the storage: the others come later, and there may be a new session by then.
      if (here) shelf.clear();
      const { conversationId } = state();
      set(blank());
      if (conversationId !== null) emitter.emit("conversation", { id: null });
    });
  };
  const ended = (here: boolean): void => {
    link.close();
    wanted = false;
    greeting.forget();
    identities.set(undefined);
    forget(here);
    emitter.emit("logout", { here });
  };

  return {
    connect,
    disconnect,
    destroy() {
      disconnect();
      sending.abandon("destroyed");
      drafts.clear();
      typing.stop();
      tabs.stop();
      stopPage();
      greeting.lost();
      receiving.stop();
    },
    queued(item) {
      const row = sendingRow(item);
      if (row) tell({ k: "own", row });
      wanted = true;
      link.open(true);
      sending.pump();
    },
    acked: sending.acked,
    drafts: drafts.live,
    typing: typing.told,
    markRead(seq) {
      const { conversationId } = state();
      if (conversationId === null) return;
      const through =
        seq ?? timeline.rows().reduce((last, row) => Math.max(last, row.seq ?? 0), resume.get(conversationId) ?? 0);
      if (!items.read(conversationId, through)) return;
      tell({ k: "read", conv: conversationId, seq: through });
      tellRead = true;
      readTold();
    },
    tell,
    moved() {
      tabs.stop();
      if (wanted) void tabs.start();
    },
    history,
    extras,
    loaded: () => loaded,
  };
}
