/** Both ends of a greeting: what `hello` says of the visitor, and what a `welcome` changes. */
import type { HelloFrame, PageInfo, WelcomeFrame } from "./frames.ts";
import type { History } from "./history.ts";
import { claims, type Identities } from "./identity.ts";
import { pageOf } from "./page.ts";
import type { Resume } from "./cursors.ts";
import type { Base } from "./state.ts";
import { type Client, ClientError } from "./types.ts";

/** What the page may set at any time. */
export interface Settings {
  locale: string | undefined;
  /** null: nothing is told; undefined: the document's own. */
  page: PageInfo | null | undefined;
}

export interface Greeting {
  /** Made right before each try: another tab may have changed the token. */
  hello(): Promise<HelloFrame>;
  welcome(frame: WelcomeFrame): void;
  /** The link ended with 4401. */
  refused(again: boolean): void;
  lost(): void;
  /** The session is over: the next welcome is a first one. */
  forget(): void;
}

/** The gateway's limit for one hello. */
const MOST_CURSORS = 50;

export function createGreeting(
  { world, options, tab, state, set, emitter, shelf, outbox }: Base,
  resume: Resume,
  settings: Settings,
  client: Client,
  identities: Identities,
  on: {
    history(): History;
    /** Another person than before: everything of theirs goes. */
    stranger(): void;
    activate(conv: string | null): void;
    prove(): Promise<void>;
  },
): Greeting {
  let greeted = false;
  /** The token that this link goes by. */
  let used: string | null = null;
  let renewal: unknown;
  let profile = options.user;

  const hello = async (): Promise<HelloFrame> => {
    const jwt = await identities.token().catch((error: unknown) => {
      emitter.emit("error", { code: "auth", message: "the identity function failed" });
      throw error;
    });
    const sub = jwt === undefined ? undefined : claims(jwt).sub;
    if (sub !== undefined) {
      const before = shelf.get("sub");
      // Another person than before: nothing of theirs may be seen or sent.
      if (before !== null && before !== sub) on.stranger();
      shelf.set("sub", sub);
    }
    const tok = shelf.get("token");
    used = tok;
    const { conversationId, conversations } = state();
    const { page } = settings;
    const where = state().config?.page === true ? (page === undefined ? pageOf(world.document) : page) : null;
    // Those that the page shows, the active one first: a gateway takes no more than so many.
    const shown = [conversationId, ...conversations.map(({ id }) => id)].slice(0, MOST_CURSORS);
    const cur = Object.fromEntries(Object.entries(resume.all()).filter(([conv]) => shown.includes(conv)));
    return {
      t: "hello",
      v: 1,
      ch: options.channel,
      ...(tok ? { tok } : {}),
      ...(jwt === undefined ? {} : { jwt }),
      cur,
      tab,
      ...(settings.locale === undefined ? {} : { loc: settings.locale }),
      ...(where ? { page: where } : {}),
      caps: ["delta", "form"],
    };
  };

  const welcome = (frame: WelcomeFrame): void => {
    if (frame.tok) {
      shelf.set("token", frame.tok);
      used = frame.tok;
    }
    const { user, limits } = state();
    const known = user?.id ?? shelf.get("user");
    const next = { ...frame.user, verified: frame.user.verified === true };
    if (known !== null && known !== next.id && frame.conv !== state().conversationId) {
      // Somebody else now, and the conversation did not come along: what waits goes to where they are.
      const { conversationId } = state();
      if (conversationId !== null) outbox.rename(conversationId, "");
      resume.forget();
      on.activate(null);
    }
    shelf.set("user", next.id);
    set({ user: next, limits: { ...limits, ...frame.limits } });
    const conv = state().conversationId ?? frame.conv ?? null;
    if (conv !== null) {
      if (frame.conv === conv && resume.get(conv) === undefined && frame.cur?.[conv] !== undefined)
        resume.set(conv, frame.cur[conv]);
      on.activate(conv);
      void on
        .history()
        .load()
        .catch((error: unknown) => {
          // Gone, or not ours: go where the gateway says.
          if (error instanceof ClientError && state().conversationId === conv) {
            resume.forget(conv);
            on.activate(frame.conv === conv ? null : (frame.conv ?? null));
          }
        });
    }
    const renewAt = identities.renewAt();
    world.clearTimeout(renewal);
    if (renewAt !== undefined)
      renewal = world.setTimeout(
        () => {
          identities.expire();
          void on.prove().catch(() => undefined);
        },
        Math.min(Math.max(0, renewAt - world.now()), 2 ** 31 - 1),
      );
    if (JSON.stringify(user) !== JSON.stringify(next)) emitter.emit("user", next);
    if (!greeted) {
      greeted = true;
      emitter.emit("ready", { user: next, conversationId: conv });
      const told = JSON.stringify(profile);
      if (profile && shelf.get("profile") !== told)
        void client.updateUser(profile).then(
          () => shelf.set("profile", told ?? null),
          () => undefined,
        );
      profile = undefined;
    }
  };

  return {
    hello,
    welcome,
    refused(again) {
      const mine = shelf.get("token") === used;
      if (used === null && !identities.known())
        emitter.emit("error", {
          code: "auth",
          message: "this channel wants to know who the visitor is: call identify()",
        });
      // With a fresh JWT the old session may go on, once; without one there is nothing left of it. And another tab may
      // have stored a newer token meanwhile.
      if (mine && (!identities.expire() || again)) shelf.set("token", null);
    },
    lost: () => world.clearTimeout(renewal),
    forget() {
      greeted = false;
    },
  };
}
