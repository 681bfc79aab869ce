// `frame.js`: iframe mode, seen from the page. One frame of the hosted page in a corner; everything else over a port.
// Needs of the page's policy: `script-src` and `frame-src` of the gateway, nothing more.
import type { Backend, Handle, Method, Property } from "./handle.ts";
import type { Room, ToFrame, ToPage } from "./port.ts";

const PHONE = "(max-width: 479.98px)";

export async function start(handle: Handle): Promise<void> {
  const gateway = new URL(handle.base, location.href).origin;
  const target = handle.options.target;
  const parent = () => (target === undefined ? document.body : typeof target === "string" ? document.querySelector(target) : target);
  const frame = document.createElement("iframe");
  frame.src = `${handle.base}/webchat/v1/chat/${encodeURIComponent(handle.channel)}?origin=${encodeURIComponent(location.origin)}`;
  frame.title = String(handle.init["botName"] ?? "Chat");
  frame.allow = "clipboard-write; autoplay";
  frame.referrerPolicy = "strict-origin";
  const put = (styles: Record<string, string>) => {
    frame.removeAttribute("style");
    for (const [name, value] of Object.entries({ border: "0", "color-scheme": "normal", background: "transparent", ...styles })) frame.style.setProperty(name, value, "important");
  };
  put(target === undefined ? { position: "fixed", width: "0", height: "0", visibility: "hidden" } : { width: "100%", height: "100%", display: "block" });
  const port = await meet(frame, gateway, () => parent()?.append(frame));
  const send = (message: ToFrame, transfer: Transferable[] = []) => port.postMessage(message, transfer);

  const prefix = `portico:${handle.channel}:`;
  const shelf = storage();
  const stored: Record<string, string> = {};
  for (let i = 0; shelf && i < shelf.length; i++) {
    const key = shelf.key(i);
    if (key?.startsWith(prefix)) stored[key] = shelf.getItem(key) ?? "";
  }
  const calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let count = 0;
  let token: unknown = handle.init["getToken"];
  let known: Partial<Record<Property, unknown>> = {};
  let gone = false;
  const phone = matchMedia(PHONE);
  const onPhone = () => send({ t: "phone", on: phone.matches });
  if (target === undefined) phone.addEventListener("change", onPhone);

  const backend: Backend = {
    get: (property) => (property === "element" ? frame : known[property]),
    call(method: Method, args: readonly unknown[]) {
      if (method === "destroy") {
        gone = true;
        known = { initialized: false, state: "closed" };
        phone.removeEventListener("change", onPhone);
        watch.disconnect();
        frame.remove();
        port.close();
        return undefined;
      }
      if (gone) throw new Error("this chat was destroyed");
      let real = args;
      if (method === "identify" && typeof args[0] === "function") {
        token = args[0];
        real = ["portico:ask"];
      }
      return new Promise((resolve, reject) => {
        calls.set(++count, { resolve, reject });
        send({ t: "call", id: count, method, args: real });
      });
    },
  };

  const ready = new Promise<void>((resolve) => {
    port.onmessage = (event: MessageEvent<ToPage>) => {
      const message = event.data;
      if (message.t === "ready") resolve();
      else if (message.t === "result") {
        const call = calls.get(message.id);
        calls.delete(message.id);
        if (message.error === undefined) call?.resolve(message.value);
        else call?.reject(new Error(message.error));
      } else if (message.t === "event") {
        known = message.properties;
        handle.emit(message.event, message.payload);
      } else if (message.t === "room") {
        if (target === undefined) put(styles(message.room));
      } else if (message.t === "store") {
        // Only what is ours: a frame must not write elsewhere in the page's storage.
        if (!message.key.startsWith(prefix)) return;
        try {
          if (message.value === null) shelf?.removeItem(message.key);
          else shelf?.setItem(message.key, message.value);
        } catch {
          // Full or forbidden: the session lasts as long as the page.
        }
      } else if (message.t === "token") {
        Promise.resolve()
          .then(() => (typeof token === "function" ? (token as () => unknown)() : token))
          .then((jwt) => send({ t: "token", id: message.id, jwt: String(jwt) }), () => send({ t: "token", id: message.id, error: "the page gave no token" }));
      }
    };
  });
  const { getToken: _token, target: _target, ...init } = handle.init;
  send({
    t: "init",
    init: JSON.parse(JSON.stringify(init)) as Record<string, unknown>,
    options: { locale: handle.options.locale, theme: handle.options.theme, open: handle.options.open === true },
    inline: target !== undefined,
    phone: phone.matches,
    stored,
    lang: document.documentElement.lang,
    asksToken: token !== undefined,
  });

  // Put back after a swap of the body; the frame then loads anew and meets us again.
  const watch = new MutationObserver(() => {
    if (gone || frame.isConnected) return;
    watch.disconnect();
    void start(handle);
  });
  watch.observe(document.documentElement, { childList: true });
  watch.observe(document.body, { childList: true });
  await ready;
  known = { ...known, initialized: true };
  handle.ready(backend);
}

/** The port's other end goes to the frame once it has greeted us, and only to the gateway's origin. */
function meet(frame: HTMLIFrameElement, gateway: string, append: () => void): Promise<MessagePort> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      removeEventListener("message", onMessage);
      reject(new Error(`the gateway's chat page did not answer; is ${location.origin} among the channel's origins, and does this page's policy allow frame-src ${gateway}?`));
    }, 30_000);
    const onMessage = (event: MessageEvent<unknown>) => {
      if (event.source !== frame.contentWindow || event.origin !== gateway || event.data !== "portico:frame") return;
      removeEventListener("message", onMessage);
      clearTimeout(late);
      const channel = new MessageChannel();
      frame.contentWindow?.postMessage("portico:port", gateway, [channel.port2]);
      resolve(channel.port1);
    };
    addEventListener("message", onMessage);
    append();
  });
}

/** Where the frame stands and how large it is: as much of the page as is drawn on, and no more. */
function styles(room: Room): Record<string, string> {
  const { kind, offset, position } = room;
  if (kind === "hidden") return { position: "fixed", width: "0", height: "0", visibility: "hidden" };
  if (kind === "full") return { position: "fixed", inset: "0", width: "100%", height: "100dvh", "z-index": String(room.zIndex) };
  const rtl = room.dir === "rtl";
  const end = position.startsWith("start") === rtl ? "right" : "left";
  const edge = position.endsWith("top") ? "top" : "bottom";
  const size =
    kind === "launcher" ? [`calc(${offset} + 80px)`, `calc(${offset} + 80px)`]
    : kind === "bubble" ? [`calc(${offset} + 340px)`, `calc(${offset} + 240px)`]
    : [`calc(${room.width} + 2 * ${offset} + 24px)`, `calc(${room.height} + 2 * ${offset} + ${room.launcher ? 72 : 0}px + 24px)`];
  return { position: "fixed", [end]: "0", [edge]: "0", width: size[0] ?? "", height: size[1] ?? "", "max-width": "100vw", "max-height": "100dvh", "z-index": String(room.zIndex) };
}

function storage(): Storage | undefined {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}
