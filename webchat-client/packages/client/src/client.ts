/**
 * What a page begins with: state, storage, outbox and the public methods. Everything that needs the gateway is in `engine.ts`,
 * which is loaded when a link is first wanted, so that a page whose visitor never opens the chat never fetches it.
 */
import type { Engine } from "./engine.ts";
import type { Extras } from "./extras.ts";
import type { Settings } from "./greeting.ts";
import { createOutbox, type OutboxItem } from "./outbox.ts";
import { enqueue } from "./queue.ts";
import { textOf } from "./shape.ts";
import { type Base, createState } from "./state.ts";
import { createShelf } from "./storage.ts";
import { newId, surroundings } from "./surroundings.ts";
import { type Client, ClientError, type ClientOptions } from "./types.ts";

/** Pause before a part that could not be loaded is asked for again. */
const AGAIN_MS = 10_000;
const CHANNEL = /^[\w.-]{1,128}$/;

/** Makes a client. Nothing is sent before `connect` or the first message. */
export function createClient(options: ClientOptions): Client {
  const { channel } = options;
  if (!CHANNEL.test(channel)) throw new ClientError("bad", "channel: give the channel id that the gateway shows");
  const world = surroundings(options);
  const url = (options.url ?? world.document?.location?.origin ?? "").replace(/\/+$/, "");
  const shelf = createShelf(world, channel, options.storage ?? "local");
  const tab = newId(world.random);
  const parts = createState(options);
  const { state, set, batch, emitter, timeline } = parts;
  const outbox = createOutbox(shelf, `outbox:${tab}`, () => set({ outboxFull: outbox.full() }));
  const settings: Settings = { locale: options.locale, page: undefined };
  const sharedWatchers = new Map<string, Set<(value: unknown) => void>>();
  const base: Base = { ...parts, world, options, url, tab, shelf, outbox, queue };

  let destroyed = false;
  let wanted = false;
  let engine: Engine | undefined;
  let loading: Promise<Engine> | undefined;

  const alive = (): void => {
    if (destroyed) throw new ClientError("destroyed", "this client was destroyed: create another one");
  };
  const load = async (): Promise<Engine> => {
    alive();
    if (engine) return engine;
    loading ??= import("./engine.ts").then(
      ({ createEngine }) => (engine = createEngine(base, settings, client, sharedWatchers)),
      (error: unknown) => {
        // Offline, or an old page after a new release: what is queued stays queued.
        loading = undefined;
        world.setTimeout(() => {
          if (wanted || outbox.items().length) client.connect().catch(() => undefined);
        }, AGAIN_MS);
        emitter.emit("error", {
          code: "chunk",
          message: "a part of the client could not be loaded: is the page online?",
        });
        throw error;
      },
    );
    const found = await loading;
    if (destroyed) found.destroy();
    alive();
    return found;
  };
  function queue(frame: OutboxItem["frame"]): void {
    const item = enqueue(base, frame);
    if (engine) engine.queued(item);
    else
      void load().then(
        (found) => found.queued(item),
        () => undefined,
      );
  }
  /** A method that lives in the part which is loaded on first use. */
  const extra = <M extends Exclude<keyof Extras, "uploads">>(name: M): Client[M] =>
    (async (...given: unknown[]) => {
      const extras = await (await load()).extras();
      return (extras[name] as (...args: unknown[]) => unknown)(...given);
    }) as unknown as Client[M];
  const here = (): { conv?: string } => {
    const { conversationId } = state();
    return conversationId === null ? {} : { conv: conversationId };
  };

  // What an earlier page left, before anything is shown.
  set({ conversationId: shelf.get("conv") });

  const client: Client = {
    mode: "messaging",
    channel,
    clientId: channel,
    apiUrl: url,
    get userId() {
      return state().user?.id ?? null;
    },
    get conversationId() {
      return state().conversationId;
    },
    shared: {
      get: (key) => shelf.read(`x:${key}`),
      set(key, value) {
        shelf.write(`x:${key}`, value);
        engine?.tell({ k: "shared", key, value });
      },
      watch(key, run) {
        const watchers = sharedWatchers.get(key) ?? new Set();
        sharedWatchers.set(key, watchers.add(run));
        return () => watchers.delete(run);
      },
    },
    getState: state,
    subscribe: parts.subscribe,
    on: emitter.on as Client["on"],
    once: emitter.once as Client["once"],
    off: emitter.off as Client["off"],

    async connect() {
      wanted = true;
      await (await load()).connect();
    },
    disconnect() {
      wanted = false;
      engine?.disconnect();
    },
    destroy() {
      wanted = false;
      destroyed = true;
      engine?.destroy();
    },
    hasSession: () => shelf.get("token") !== null,
    loadConfig: extra("loadConfig"),

    sendMessage(message, { replyTo } = {}) {
      alive();
      const msg = typeof message === "string" ? { type: "text", text: message } : { ...message };
      if (!textOf(msg.type)) throw new ClientError("bad", "type: a message has a type");
      if (msg.type === "text") {
        const { text } = state().limits;
        const said = "text" in msg && typeof msg.text === "string" ? msg.text : "";
        if (!said.trim()) throw new ClientError("bad", "text: an empty message is not sent");
        if ([...said].length > text)
          throw new ClientError("too_large", `the text is above the limit of ${text} characters`);
      }
      const id = newId(world.random);
      engine?.typing(false);
      batch(() => queue({ t: "send", id, ...here(), msg, ...(replyTo ? { replyTo } : {}) }));
      return { id };
    },
    sendFile: extra("sendFile"),
    async sendEvent(name, data = {}) {
      alive();
      if (!name) throw new ClientError("bad", "name: an event has a name");
      const id = newId(world.random);
      // Written at once; whoever waits is told once the engine runs.
      const done = engine ? engine.acked(id) : load().then((found) => found.acked(id));
      done.catch(() => undefined);
      queue({ t: "event", id, ...here(), name, data });
      await done;
    },
    retry(id) {
      alive();
      const row = timeline.find(id);
      const item = outbox.get(row?.cid ?? id);
      if (item?.failed) {
        // To the end of its lane: what was said since was said.
        outbox.remove(item.frame.id);
        queue(item.frame);
      } else if (row?.status === "failed" && !engine?.loaded()?.uploads.retry(row.key)) client.sendMessage(row.body);
    },
    discard(id) {
      const row = timeline.find(id);
      const key = row?.cid ?? id;
      if (row?.status !== "failed" && !outbox.get(key)?.failed) return;
      outbox.remove(key);
      engine?.loaded()?.uploads.forget(key);
      if (row) parts.drop(row.key);
      engine?.tell({ k: "gone", id: key });
    },
    stop() {
      for (const draft of engine?.drafts() ?? []) void client.sendEvent("stop", { draft }).catch(() => undefined);
    },
    feedback: (messageId, value) => client.sendEvent("feedback", { messageId, value }),
    typing: (on = true) => engine?.typing(on),
    markRead: (seq) => engine?.markRead(seq),

    listMessages: async (query) => (await load()).history.page(query),
    loadMore: async () => (await load()).history.more(),
    newConversation: extra("newConversation"),
    switchConversation: extra("switchConversation"),
    listConversations: extra("listConversations"),
    deleteConversation: extra("deleteConversation"),
    conversationExists: extra("conversationExists"),
    transcript: extra("transcript"),

    getUser: () => state().user,
    updateUser: extra("updateUser"),
    identify: extra("identify"),
    logout: extra("logout"),
    setLocale(tag) {
      settings.locale = tag;
    },
    setStorage(mode) {
      shelf.move(mode);
      outbox.save();
      engine?.moved();
    },
    setPage(info) {
      settings.page = info;
    },
  };
  return client;
}

/** The same client under other names: `clientId` for the channel, `apiUrl` for the address. */
export function getClient(
  options: Omit<ClientOptions, "channel" | "url"> & { clientId: string; apiUrl: string },
): Client {
  const { clientId, apiUrl, ...rest } = options;
  return createClient({ ...rest, channel: clientId, url: apiUrl });
}
