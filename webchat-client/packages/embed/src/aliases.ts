// The seed's global names, for pages that were written for it. Only with `data-compat`, only where a name is free.
import type { Api, Listener } from "./handle.ts";

/** v1 event names of the seed → ours. */
export const EVENT_NAMES: Readonly<Record<string, string>> = {
  "LIFECYCLE.LOADED": "loaded",
  "LIFECYCLE.READY": "ready",
  "UI.OPENED": "opened",
  "UI.CLOSED": "closed",
  "UI.RESIZE": "resize",
  "UI.SET-CLASS": "visibility",
  "CONFIG.SET": "configChanged",
  "MESSAGE.SENT": "messageSent",
  "MESSAGE.RECEIVED": "message",
  "MESSAGE.SELECTED": "messageSelected",
  "USER.CONNECTED": "userConnected",
};

type Page = { botpress?: unknown; botpressWebChat?: unknown };
type Fields = Record<string, unknown>;

/** Puts `botpress` and `botpressWebChat` on the page, speaking to `api`. */
export function aliases(api: Api, page: Page): void {
  if (page.botpress === undefined) page.botpress = modern(api);
  if (page.botpressWebChat === undefined) page.botpressWebChat = old(api);
}

function ourName(name: string): string {
  return EVENT_NAMES[name] ?? name.replace(/^webchat:/, "").replace(/^initialized$/, "loaded");
}

/** `window.botpress`: the same methods and properties, some under two names. */
export function modern(api: Api): object {
  const part = (name: string) => () => api.element?.shadowRoot?.querySelector(name)?.id;
  const own = (event: string, listener: Listener) => [ourName(event), listener] as const;
  const extra: PropertyDescriptorMap = {
    on: { value: (event: string, listener: Listener) => api.on(...own(event, listener)) },
    once: { value: (event: string, listener: Listener) => api.once(...own(event, listener)) },
    off: { value: (event: string, listener: Listener) => api.off(...own(event, listener)) },
    clientId: { get: () => api.channelId },
    messagingUrl: { get: () => api.apiUrl },
    style: { get: () => (api.configuration as Fields | undefined)?.["css"] },
    webchatId: { get: part(".pt-panel") },
    fabId: { get: part(".pt-launcher") },
    webchatIframe: { get: () => api.element },
    fabIframe: { get: () => api.element },
  };
  return Object.create(api, extra) as object;
}

/** `window.botpressWebChat`: the older object. */
export function old(api: Api): object {
  return {
    init: (config: Fields = {}) => api.init(config),
    mergeConfig(patch: Fields) {
      const { userData, customUser, user, data, ...rest } = patch;
      if (userData ?? customUser ?? user ?? data) console.warn("portico: mergeConfig takes no user data; call updateUser()");
      return api.config(rest);
    },
    onEvent(listener: Listener, types: readonly string[]) {
      const stops = types.map((type) => api.on(type === "*" ? "*" : ourName(type), (payload: unknown) => listener({ type, payload, value: payload })));
      return () => stops.forEach((stop) => stop());
    },
    sendPayload: (body: Fields) =>
      body["type"] === "trigger" ? api.sendEvent("trigger", body["payload"] ?? {}) : body["type"] === "text" ? api.sendMessage(String(body["text"] ?? "")) : api.sendMessage(body),
    sendEvent(event: Fields) {
      const method = { show: "open", hide: "close", toggle: "toggle", toggleBotInfo: "toggleInfo", createConversation: "newConversation" }[String(event["type"])];
      if (event["type"] === "loadConversation") return api.switchConversation(event["conversationId"]);
      return method === undefined ? api.sendEvent(event) : (api as unknown as Record<string, () => unknown>)[method]?.();
    },
  };
}
