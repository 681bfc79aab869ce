// `embed.js`: the script tag. Puts `window.portico` on the page at once, keeps what is called before the chat is
// there, and fetches the chat when the page has loaded and is idle. Nothing else of ours is on the page until then.
import { aliases } from "./aliases.ts";
import { METHODS, PROPERTIES, type Api, type Backend, type Handle, type Listener, type Manifest, type Method, type Options, type Property, type PublicConfig } from "./handle.ts";

declare const VERSION: string;
/** Path of the part for iframe mode below `/webchat/assets/`: a page in that mode may not fetch the configuration. */
declare const FRAME: string;

interface Part {
  start(handle: Handle, config?: PublicConfig): Promise<void>;
}

const page = window as unknown as { portico?: Api; botpress?: unknown; botpressWebChat?: unknown };
/** Calls that only prepare; every other call means that somebody wants the chat now. */
const PREPARING: readonly string[] = ["config", "init", "show", "hide", "setLocale", "setTheme"];
/** The gateway's own page of a channel. */
const HOSTED = /\/webchat\/v1\/chat\/([^/]+)$/;

function main(): void {
  const script = (document.currentScript ?? document.querySelector('script[data-channel][src*="/webchat/"]')) as HTMLScriptElement | null;
  const src = script?.src ?? "";
  const cut = src.lastIndexOf("/webchat/");
  if (!script || cut < 0) return console.warn("portico: load embed.js with <script async src=\"https://your-gateway/webchat/v1/embed.js\" data-channel=\"…\">");
  // Loaded twice, or again after the page changed its body: the first one goes on.
  if (page.portico) return;
  const base = src.slice(0, cut);
  const data = script.dataset;
  const hosted = HOSTED.exec(location.pathname);
  const channel = data["channel"] ?? (hosted ? decodeURIComponent(hosted[1] ?? "") : "");
  const manual = data["manual"] !== undefined && data["manual"] !== "false";
  const first = make(base, channel, {
    locale: data["locale"],
    theme: data["theme"],
    open: data["open"] !== undefined && data["open"] !== "false",
    target: data["target"],
    mode: hosted ? "page" : data["mode"] === "iframe" ? "iframe" : "shadow",
  }, manual);
  page.portico = first.api;
  if (data["compat"] !== undefined && data["compat"] !== "false") aliases(first.api, page);
  if (manual) return;
  const go = () => (window.requestIdleCallback ?? ((run: () => void) => setTimeout(run, 200)))(() => first.boot(), { timeout: 2000 });
  if (hosted) first.boot();
  else if (document.readyState === "complete") go();
  else addEventListener("load", go, { once: true });
}

/** One public object with its queue. */
function make(base: string, channel: string, options: Options, manual: boolean): { api: Api; handle: Handle; boot(): void } {
  const queue: [Method, unknown[], (value: unknown) => void, (error: unknown) => void][] = [];
  const listeners: [string, Listener, boolean][] = [];
  let backend: Backend | undefined;
  let booted = false;
  const off = (event: string, listener: Listener) => {
    const at = listeners.findIndex(([name, run]) => name === event && run === listener);
    if (at >= 0) listeners.splice(at, 1);
  };
  const on = (event: string, listener: Listener, once = false) => {
    listeners.push([event, listener, once]);
    return () => off(event, listener);
  };
  const api = {
    version: VERSION,
    get channelId() {
      return handle.channel;
    },
    apiUrl: base,
    on: (event: string, listener: Listener) => on(event, listener),
    once: (event: string, listener: Listener) => on(event, listener, true),
    off,
    create(config: Record<string, unknown>) {
      const other = make(base, String(config["channel"] ?? channel), {
        locale: undefined,
        theme: undefined,
        target: config["target"] as string | undefined,
        open: config["open"] === true,
        mode: config["mode"] === "iframe" ? "iframe" : "shadow",
      }, config["manual"] === true);
      Object.assign(other.handle.init, config);
      if (config["manual"] !== true) other.boot();
      return other.api;
    },
  } as unknown as Api;
  for (const name of Object.keys(PROPERTIES) as Property[]) {
    Object.defineProperty(api, name, { enumerable: true, get: () => (backend ? backend.get(name) : PROPERTIES[name]) });
  }
  for (const method of METHODS) {
    (api as Record<string, unknown>)[method] = (...args: unknown[]) =>
      new Promise((resolve, reject) => {
        if (backend) {
          resolve(backend.call(method, args));
          return;
        }
        if (method === "init" && !booted) {
          const config = (args[0] ?? {}) as Record<string, unknown>;
          Object.assign(handle.init, config);
          const named = config["channel"] ?? config["clientId"];
          if (!handle.channel && typeof named === "string") handle.channel = named;
          args = [];
        }
        queue.push([method, args, resolve, reject]);
        if (method === "init" || (!manual && !PREPARING.includes(method))) boot();
      });
  }

  const handle: Handle = {
    api,
    channel,
    base,
    options,
    init: {},
    emit(event, payload) {
      let kept = true;
      for (const entry of listeners.slice()) {
        const [name, run, once] = entry;
        if (name !== event && name !== "*") continue;
        if (once) off(name, run);
        try {
          if (run(name === "*" ? { type: event, payload } : payload) === false) kept = false;
        } catch (error) {
          // A listener's fault is the page's to see, and never the chat's.
          setTimeout(() => {
            throw error;
          });
        }
      }
      return kept;
    },
    ready(live) {
      backend = live;
      for (const [method, args, resolve, reject] of queue.splice(0)) {
        try {
          resolve(live.call(method, args));
        } catch (error) {
          reject(error);
        }
      }
      dispatchEvent(new CustomEvent("portico:ready", { detail: { channel: handle.channel } }));
    },
    failed(error) {
      const message = error instanceof Error ? error.message : String(error);
      console.warn(`portico: ${message}`);
      handle.emit("error", { code: "load", message });
      for (const [, , , reject] of queue.splice(0)) reject(error);
      booted = false;
    },
  };

  function boot(): void {
    if (booted) return;
    booted = true;
    load(handle).catch((error: unknown) => handle.failed(error));
  }
  return { api, boot, handle };
}

async function load(handle: Handle): Promise<void> {
  const assets = `${handle.base}/webchat/assets/`;
  if (!handle.channel) throw new Error('no channel; say which one with data-channel="…" or init({ channel })');
  if (handle.options.mode === "iframe") return ((await import(assets + FRAME)) as Part).start(handle);
  const config = await fetchConfig(handle);
  const manifest = config.assets as Manifest;
  for (const name of manifest.preload) {
    const link = document.createElement("link");
    link.rel = "modulepreload";
    link.href = assets + manifest.files[name]?.path;
    document.head.append(link);
  }
  return ((await import(assets + manifest.files[manifest.entry]?.path)) as Part).start(handle, config);
}

async function fetchConfig(handle: Handle): Promise<PublicConfig> {
  for (let wait = 1000; ; wait *= 4) {
    let status = 0;
    try {
      const answer = await fetch(`${handle.base}/webchat/v1/channels/${encodeURIComponent(handle.channel)}/config`, { credentials: "omit" });
      if (answer.ok) return (await answer.json()) as PublicConfig;
      status = answer.status;
    } catch {
      // No network, or a refusal the browser does not tell: tried again.
    }
    if (status === 403) throw new Error(`this page's origin ${location.origin} is not among the origins of channel "${handle.channel}"; add it there`);
    if (status === 404) throw new Error(`there is no channel "${handle.channel}" at ${handle.base}`);
    if (wait > 16_000) {
      // A browser does not let a page read why it was refused.
      const why = status ? ` (status ${status})` : `, or not to this page: is ${location.origin} among the origins of channel "${handle.channel}", and does this page's policy allow connect-src ${handle.base}?`;
      throw new Error(`the gateway ${handle.base} does not answer${why}`);
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

main();
