// Inside the frame of iframe mode: hands the page's calls to the chat, and the chat's events, needs of room and
// things to keep to the page. Lent what it needs of `ui.js`, so that it brings no further chunk.
import type { Handle, PublicConfig } from "./handle.ts";
import type { createInstance as Create, Instance } from "./instance.ts";
import type { Room, ToFrame, ToPage } from "./port.ts";

export async function start(handle: Handle, config: PublicConfig, origin: string, createInstance: typeof Create): Promise<void> {
  const port = await greet(origin);
  const say = (message: ToPage) => port.postMessage(message);
  const waiting = new Map<number, { resolve(jwt: string): void; reject(error: Error): void }>();
  let asked = 0;
  const askToken = () =>
    new Promise<string>((resolve, reject) => {
      waiting.set(++asked, { resolve, reject });
      say({ t: "token", id: asked });
    });
  let instance: Instance | undefined;
  const early: ToFrame[] = [];

  const hear = (message: ToFrame): void => {
    if (message.t === "token") {
      const waiter = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.jwt === undefined) waiter?.reject(new Error(message.error ?? "no token"));
      else waiter?.resolve(message.jwt);
    } else if (!instance) early.push(message);
    else if (message.t === "phone") instance.widget.ui.set({ full: message.on });
    else if (message.t === "call") {
      const { id, method, args } = message;
      const real = method === "identify" && args[0] === "portico:ask" ? [askToken] : args;
      Promise.resolve()
        .then(() => instance?.call(method, real))
        .then((value) => say({ t: "result", id, value: plain(value) }), (error: unknown) => say({ t: "result", id, error: error instanceof Error ? error.message : String(error) }));
    }
  };

  const first = await new Promise<Extract<ToFrame, { t: "init" }>>((resolve) => {
    port.onmessage = (event: MessageEvent<ToFrame>) => (event.data.t === "init" ? resolve(event.data) : hear(event.data));
  });
  port.onmessage = (event: MessageEvent<ToFrame>) => hear(event.data);
  document.documentElement.lang = first.lang;

  Object.assign(handle.init, first.init, first.asksToken ? { getToken: askToken } : {});
  const framed: Handle = {
    ...handle,
    options: { ...first.options, mode: "page" },
    emit(event, payload) {
      handle.emit(event, payload);
      // The page cannot hold a link back from here: it would have to answer at once.
      say({ t: "event", event, payload: plain(payload), properties: properties() });
      return true;
    },
  };
  const properties = () => ({
    initialized: instance !== undefined,
    state: instance?.get("state"),
    connection: instance?.get("connection"),
    user: plain(instance?.get("user")),
    conversationId: instance?.get("conversationId"),
    unreadCount: instance?.get("unreadCount"),
    configuration: plain(instance?.get("configuration")),
  });
  const live = (instance = await createInstance(framed, config, {
    framed: !first.inline,
    full: first.inline,
    client: { surroundings: { localStorage: kept(first.stored, say) } },
  }));
  const ui = live.widget.ui;
  if (!first.inline) ui.set({ full: first.phone });
  const room = () => {
    const { open, full, launcher, proactive } = ui.get();
    const { position, width, height, offset, zIndex } = live.widget.look.get().settings;
    const kind: Room["kind"] = open ? (full ? "full" : "open") : !launcher ? "hidden" : proactive ? "bubble" : "launcher";
    say({ t: "room", room: { kind, position, width, height, offset, zIndex, launcher, dir: live.widget.look.get().t.dir } });
  };
  ui.subscribe(room);
  live.widget.look.subscribe(room);
  room();
  handle.ready(live);
  say({ t: "ready" });
  framed.emit("loaded", {});
  for (const message of early.splice(0)) hear(message);
}

/** The port, from the page that claims to be `origin`: the browser delivers the greeting to nobody else. */
function greet(origin: string): Promise<MessagePort> {
  return new Promise((resolve) => {
    const onMessage = (event: MessageEvent<unknown>) => {
      const port = event.ports[0];
      if (event.source !== window.parent || event.origin !== origin || event.data !== "portico:port" || !port) return;
      removeEventListener("message", onMessage);
      resolve(port);
    };
    addEventListener("message", onMessage);
    window.parent.postMessage("portico:frame", origin);
  });
}

/** Storage whose content the page keeps: a frame's own is short-lived in some browsers. */
function kept(stored: Record<string, string>, say: (message: ToPage) => void): Storage {
  const values = new Map(Object.entries(stored));
  return {
    get length() {
      return values.size;
    },
    key: (index) => [...values.keys()][index] ?? null,
    getItem: (key) => values.get(key) ?? null,
    setItem(key, value) {
      values.set(key, String(value));
      say({ t: "store", key, value: String(value) });
    },
    removeItem(key) {
      values.delete(key);
      say({ t: "store", key, value: null });
    },
    clear() {
      for (const key of [...values.keys()]) this.removeItem(key);
    },
  };
}

/** What a port can carry: functions and elements stay behind. */
function plain(value: unknown): unknown {
  if (value === undefined || value instanceof Blob) return value;
  try {
    return JSON.parse(JSON.stringify(value)) as unknown;
  } catch {
    return null;
  }
}
