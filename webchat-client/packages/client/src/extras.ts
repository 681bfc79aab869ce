/**
 * What a visit does not begin with: files, profile, identity, other conversations, transcripts. Loaded on first use, so
 * that the page's first bytes hold only what sends and receives.
 */
import type { UserPatch } from "./frames.ts";
import type { History } from "./history.ts";
import { claims, type Identities } from "./identity.ts";
import type { Items } from "./items.ts";
import { readMessage } from "./payload.ts";
import type { Sending } from "./sending.ts";
import { isObject, textOf } from "./shape.ts";
import type { Core } from "./state.ts";
import { newId } from "./surroundings.ts";
import { type ChannelConfig, type Client, ClientError, type ConversationOverview } from "./types.ts";
import { createUploads, type Uploads } from "./uploads.ts";

/** What the client lends. */
export interface Lent extends Core {
  readonly items: Items;
  readonly sending: Sending;
  readonly history: History;
  readonly identities: Identities;
  connect(): Promise<void>;
  activate(conv: string | null, fresh?: boolean): void;
  /** Listens to the active conversation, whatever the road. */
  listen(): void;
  prove(): Promise<void>;
  ended(here: boolean): void;
}

export type Extras = Pick<
  Client,
  | "sendFile"
  | "loadConfig"
  | "updateUser"
  | "identify"
  | "logout"
  | "newConversation"
  | "switchConversation"
  | "listConversations"
  | "deleteConversation"
  | "conversationExists"
  | "transcript"
> & { readonly uploads: Uploads };

const place = (id: string): string => `conversations/${encodeURIComponent(id)}`;

export function createExtras(lent: Lent): Extras {
  const { world, options, state, set, batch, emitter, http, link, shelf, resume, sending, items, history, identities } =
    lent;
  const { activate, connect, listen } = lent;
  const uploads = createUploads(lent, () => (link.state.state === "open" ? Promise.resolve() : connect()));
  let config: Promise<ChannelConfig> | undefined;

  return {
    uploads,
    sendFile: uploads.send,
    loadConfig() {
      config ??= http(`channels/${options.channel}/config`, { open: true })
        .then((answer) => answer.json())
        .then((data: unknown) => {
          const outer = isObject(data) ? data : {};
          const found: ChannelConfig = isObject(outer.config) ? { ...outer, ...outer.config } : outer;
          set({ config: found, limits: { ...state().limits, ...found.limits } });
          return found;
        })
        .catch((error: unknown) => {
          config = undefined;
          throw error;
        });
      return config;
    },

    async updateUser(patch: UserPatch) {
      const data = patch.data ?? {};
      if (Object.keys(data).length > 50) throw new ClientError("bad", "data: at most 50 keys");
      for (const [key, value] of Object.entries(data))
        if (typeof value !== "string" || value.length > 500)
          throw new ClientError("bad", `data.${key}: a text of at most 500 characters`);
      const id = newId(world.random);
      const done = sending.acked(id);
      done.catch(() => undefined);
      lent.queue({ t: "user", id, data: patch });
      await done;
      const { user } = state();
      if (!user) return;
      const next = { ...user, ...patch, data: { ...user.data, ...patch.data } };
      set({ user: next });
      emitter.emit("user", next);
    },
    async identify(identity) {
      identities.set(identity);
      const jwt = await identities.token();
      const sub = jwt === undefined ? undefined : claims(jwt).sub;
      const known = shelf.get("sub");
      if (sub !== undefined && known !== null && known !== sub) {
        // `hello` wipes what belonged to the other person.
        link.close();
        await connect();
      } else if (link.state.state === "open") {
        if (sub !== undefined) shelf.set("sub", sub);
        await lent.prove();
      }
    },
    async logout() {
      await http("session/logout", { method: "POST" }).catch(() => undefined);
      lent.tell({ k: "logout" });
      lent.ended(true);
    },

    async newConversation() {
      const { conv } = await sending.request({ t: "conv", op: "new" });
      if (!conv) throw new ClientError("http", "the gateway named no conversation");
      batch(() => {
        activate(conv, true);
        if (resume.get(conv) === undefined) resume.set(conv, 0);
        items.read(conv, 0);
        items.overview(conv, { updatedAt: world.now() });
      });
      listen();
      return { id: conv };
    },
    async switchConversation(id) {
      const from = state().conversationId;
      if (id === from) return;
      activate(id);
      const opened = sending.request({ t: "conv", op: "open", conv: id });
      opened.catch(() => undefined);
      try {
        await connect();
        await history.load();
        await opened;
        listen();
      } catch (error) {
        // Not there, or not ours: back to where the visitor was.
        if (state().conversationId === id && error instanceof ClientError && error.code !== "timeout") {
          activate(from);
          void history.load().catch(() => undefined);
        }
        throw error;
      }
    },
    async listConversations() {
      const found: ConversationOverview[] = [];
      const whole = (value: unknown): number | undefined =>
        Number.isSafeInteger(value) ? (value as number) : undefined;
      let cursor: string | undefined;
      do {
        const query = new URLSearchParams({ limit: "100", ...(cursor ? { cursor } : {}) });
        const data: unknown = await (await http(`conversations?${query}`)).json();
        if (!isObject(data) || !Array.isArray(data.conversations)) break;
        for (const entry of data.conversations) {
          const id = isObject(entry) && textOf(entry.id);
          if (!isObject(entry) || !id) continue;
          const last = isObject(entry.last) ? readMessage(id, entry.last) : undefined;
          const title = textOf(entry.title);
          const known = state().conversations.find((other) => other.id === id);
          // How many is known only of what came while this page was open; that there is something, is.
          const news = last && !last.own && (last.seq ?? 0) > (items.mark(id) ?? Infinity) ? 1 : 0;
          found.push({
            id,
            updatedAt: whole(entry.updatedAt) ?? last?.ts ?? 0,
            unread: Math.max(known?.unread ?? 0, news),
            ...(title === undefined ? {} : { title }),
            ...(last === undefined ? {} : { last }),
          });
        }
        cursor = textOf(data.next);
      } while (cursor && found.length < 1000);
      set({ conversations: found.sort((a, b) => b.updatedAt - a.updatedAt) });
      items.count();
      return state().conversations;
    },
    async deleteConversation(id) {
      await http(place(id), { method: "DELETE" });
      batch(() => {
        resume.forget(id);
        set({ conversations: state().conversations.filter((other) => other.id !== id) });
        if (state().conversationId === id) activate(null);
        items.count();
      });
    },
    async conversationExists(id) {
      try {
        await http(`${place(id)}/messages?limit=1`);
        return true;
      } catch (error) {
        if (error instanceof ClientError && error.code === "not_found") return false;
        throw error;
      }
    },
    async transcript(format = "txt") {
      const { conversationId } = state();
      if (conversationId === null) throw new ClientError("not_found", "there is no conversation yet");
      return (await http(`${place(conversationId)}/transcript?format=${format}`)).blob();
    },
  };
}
