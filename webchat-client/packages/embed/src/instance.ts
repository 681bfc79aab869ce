// One chat on a page, whole: client, widget, element, and the methods of `window.portico` behind the public object.
import { createClient, type Client, type ClientOptions, type Identity, type OutgoingBody } from "@portico/webchat";
import { Chat, createWidget, defined, isRecord, loadExplain, loadTexts, pick, settle, translator, wishes, type Fault, type Renderer, type Settings, type Texts, type Translate, type Widget } from "@portico/webchat-view";
import { createElement, render } from "preact";
import type { Backend, Handle, Method, Property, PublicConfig } from "./handle.ts";
import { createHost, type Host } from "./host.ts";

/** What differs between a page, a hosted page and a frame. */
export interface Surroundings {
  /** The panel fills the window for ever. */
  readonly full?: boolean;
  /** Somebody else decides when the panel fills the screen. */
  readonly framed?: boolean;
  readonly client?: Partial<ClientOptions>;
}

export interface Instance extends Backend {
  readonly widget: Widget;
  readonly host: Host;
}

type Fields = Record<string, unknown>;
/** Below this width the panel fills the screen. */
const PHONE = "(max-width: 479.98px)";

export async function createInstance(handle: Handle, config: PublicConfig, around: Surroundings = {}): Promise<Instance> {
  const patches: Fields[] = [];
  // What the configuration says beside the look is the client's and the loader's to read.
  const { channel: _channel, name, identity: _identity, typing: _typing, page: _page, limits: _limits, overridable: _may, assets: _assets, ...look } = config;
  const gateway = defined({ botName: name, ...look });
  const options = defined({ locale: handle.options.locale, theme: handle.options.theme });
  /** The settings of all layers. What is wrong in the start's layers is told now, in a patch when it comes. */
  const layered = () => settle({ gateway, overridable: config.overridable, init: { ...options, ...handle.init }, patches });
  const first = layered();
  let { settings } = first;
  warn(first.faults);
  let t = await texts(settings);

  const identity = handle.init["getToken"] ?? handle.init["identity"];
  const client: Client = createClient({
    channel: handle.channel,
    url: handle.base,
    storage: settings.storage,
    locale: t.locale,
    config: config as never,
    ...(typeof identity === "function" || typeof identity === "string" ? { getToken: identity as Identity } : {}),
    ...(settings.user || settings.data ? { user: profile(settings.user ?? {}, settings.data ?? {}) } : {}),
    ...around.client,
  });
  const connect = () => void client.connect().catch(() => undefined);

  const emit = (event: string, payload: unknown): boolean => {
    if (event === "opened") {
      connect();
      client.shared.set("open", true);
    } else if (event === "closed") client.shared.set("open", false);
    return handle.emit(event, payload);
  };
  const inline = handle.options.target !== undefined || (around.full === true && !around.framed);
  const phone = typeof matchMedia === "function" && !around.framed && !inline ? matchMedia(PHONE) : undefined;
  // Open in another page of the same visit: open here too, but never over a whole phone screen unasked.
  const wasOpen = client.shared.get("open") === true && !phone?.matches && !around.framed;
  const chat = createWidget({
    client,
    settings,
    t,
    emit,
    renderers: (isRecord(handle.init["renderers"]) ? handle.init["renderers"] : {}) as Record<string, Renderer>,
    open: inline || wasOpen,
    full: around.full === true || (phone?.matches ?? false),
    closable: !inline,
  });
  const onPhone = () => chat.ui.set({ full: phone?.matches ?? false });
  phone?.addEventListener("change", onPhone);

  const host = createHost(around.full ? undefined : handle.options.target);
  const dress = () => {
    host.setCss(settings.css ?? "");
    host.element.className = settings.className ?? "";
  };
  dress();
  render(createElement(Chat, { widget: chat, mode: inline ? "inline" : "float" }), host.mount);

  const setSettings = (next: Settings) => {
    if (next.storage !== settings.storage) client.setStorage(next.storage);
    if (next.launcher !== settings.launcher) chat.ui.set({ launcher: next.launcher });
    const speaks = next.locale !== settings.locale || next.strings !== settings.strings;
    settings = next;
    chat.look.set({ settings, t });
    dress();
    if (speaks) void relocale();
  };
  const relocale = async () => {
    t = await texts(settings);
    client.setLocale(t.locale);
    chat.look.set({ settings, t });
  };
  const patch = (change: Fields): void => {
    patches.push(change);
    warn(settle({ overridable: config.overridable, patches: [change] }).faults);
    setSettings(layered().settings);
    handle.emit("configChanged", change);
  };

  const stops = forward(handle, client, chat, { patch });
  let last = "";
  const sizes = typeof ResizeObserver === "undefined" ? undefined : new ResizeObserver(() => {
    const box = host.mount.querySelector(".pt-panel")?.getBoundingClientRect();
    if (!box || box.width === 0) return;
    const size = { width: Math.round(box.width), height: Math.round(box.height) };
    if (`${size.width}x${size.height}` === last) return;
    last = `${size.width}x${size.height}`;
    handle.emit("resize", size);
  });
  const watchSize = () => {
    const panel = host.mount.querySelector(".pt-panel");
    if (panel) sizes?.observe(panel);
  };
  const stopSize = chat.ui.subscribe(() => queueMicrotask(watchSize));

  const said = (fields: unknown): Promise<unknown> | { id: string } => {
    connect();
    return client.sendMessage(fields as string | OutgoingBody);
  };
  let gone = false;
  const methods: { [M in Method]: (...args: any[]) => unknown } = {
    init: (change?: Fields) => (change && Object.keys(change).length > 0 ? patch(change) : undefined),
    config: (change: Fields = {}) => patch(change),
    destroy() {
      if (gone) return;
      gone = true;
      for (const stop of [...stops, stopSize]) stop();
      sizes?.disconnect();
      phone?.removeEventListener("change", onPhone);
      render(null, host.mount);
      host.remove();
      chat.destroy();
      client.destroy();
    },
    async open(what: { message?: string; conversationId?: string } = {}) {
      chat.open();
      if (what.conversationId) await client.switchConversation(what.conversationId);
      if (what.message) said(what.message);
    },
    close: () => chat.close(),
    toggle: () => chat.toggle(),
    show() {
      chat.ui.set({ launcher: true });
      handle.emit("visibility", { visible: true });
    },
    hide() {
      chat.close();
      chat.ui.set({ launcher: false });
      handle.emit("visibility", { visible: false });
    },
    toggleInfo: () => chat.go(chat.ui.get().page === "info" ? "chat" : "info"),
    sendMessage: said,
    sendEvent(name: string | Fields, data?: unknown) {
      if (isRecord(name)) return command(methods, name, (event, rest) => client.sendEvent(event, rest), connect);
      connect();
      return client.sendEvent(name, data ?? {});
    },
    sendFile(file: File) {
      connect();
      return client.sendFile(file);
    },
    updateUser(change: Fields) {
      connect();
      const { name, email, phone: number, pictureUrl, data, ...others } = change;
      return client.updateUser(profile(defined({ name, email, phone: number, pictureUrl }) as Record<string, string>, { ...others, ...(isRecord(data) ? data : {}) } as Record<string, string>));
    },
    ...passed(client),
    downloadTranscript: (format: "txt" | "json" | "html" = "txt") => chat.download(format),
    setLocale: (tag: string) => patch({ locale: tag }),
    setTheme: (theme: string) => patch({ theme }),
  };
  const properties: { [P in Property]: () => unknown } = {
    initialized: () => !gone,
    state: () => (chat.ui.get().open ? "opened" : "closed"),
    connection: () => client.getState().connection.state,
    user: () => client.getUser(),
    conversationId: () => client.conversationId,
    unreadCount: () => client.getState().unread,
    configuration: () => settings,
    element: () => host.element,
  };

  const now = settings.connect === "load" || inline || wasOpen || (settings.connect === "auto" && (client.hasSession() || settings.proactive !== undefined));
  if (now) connect();
  if (typeof handle.options.open === "boolean" && handle.options.open) chat.open();
  return { widget: chat, host, call: (method, args) => methods[method](...args), get: (property) => properties[property]() };

  async function texts(of: Settings): Promise<Translate> {
    const { locale, tag } = pick(wishes(of.locale, document.documentElement.lang, typeof navigator === "undefined" ? [] : navigator.languages));
    const found: Texts = await loadTexts(locale);
    return translator(tag, found, of.strings);
  }
}

const PASSED = ["getUser", "identify", "logout", "newConversation", "switchConversation", "listConversations", "deleteConversation", "conversationExists", "listMessages", "retry"] as const;

/** Methods that are the client's own. */
function passed(client: Client): Record<(typeof PASSED)[number], (...args: any[]) => unknown> {
  return Object.fromEntries(PASSED.map((name) => [name, (...args: unknown[]) => (client[name] as (...args: unknown[]) => unknown)(...args)])) as never;
}

/** Tells the people who set the page up what is wrong with its configuration, each thing once. */
function warn(faults: readonly Fault[]): void {
  if (faults.length === 0) return;
  loadExplain().then(
    ({ explain }) => {
      for (const sentence of new Set(explain(faults))) console.warn(`portico: ${sentence}`);
    },
    () => console.warn(`portico: not taken: ${faults.map(([key]) => key).join(", ")}`),
  );
}

/** The client's events to the page's listeners, and the bot's commands to the view. */
function forward(handle: Handle, client: Client, widget: Widget, to: { patch(change: Fields): void }): (() => void)[] {
  let known = false;
  return [
    client.on("*", ({ type, payload }) => {
      if (type === "command" || type === "outdated" || type === "logout") return;
      handle.emit(type, payload);
      if (type === "ready" && !known) {
        known = true;
        handle.emit("userConnected", payload.user);
      }
    }),
    client.on("command", ({ name, data }) => {
      if (name === "open") widget.open();
      else if (name === "close") widget.close();
      else if (name === "toggle") widget.toggle();
      else if (name === "show" || name === "hide") {
        if (name === "hide") widget.close();
        widget.ui.set({ launcher: name === "show" });
        handle.emit("visibility", { visible: name === "show" });
      } else if (name === "config" && isRecord(data)) to.patch(isRecord(data["config"]) ? data["config"] : data);
    }),
  ];
}

/** `sendEvent({type, …})`: commands by the names of the first version; anything else is an event for the bot. */
function command(methods: { [M in Method]: (...args: any[]) => unknown }, event: Fields, send: (name: string, data: unknown) => Promise<void>, connect: () => void): unknown {
  const { type, ...rest } = event;
  switch (type) {
    case "show":
      return methods.open();
    case "hide":
      return methods.close();
    case "toggle":
      return methods.toggle();
    case "toggleBotInfo":
      return methods.toggleInfo();
    case "createConversation":
      return methods.newConversation();
    case "loadConversation":
      return methods.switchConversation(rest["conversationId"]);
    default:
      connect();
      return send(typeof type === "string" && type !== "" ? type : "custom", rest);
  }
}

const PROFILE = ["name", "email", "phone", "pictureUrl"];

/** A flat record as profile and data. */
function profile(user: Readonly<Record<string, string>>, data: Readonly<Record<string, string>>): { data?: Record<string, string> } & Record<string, any> {
  const known = Object.fromEntries(Object.entries(user).filter(([key]) => PROFILE.includes(key)));
  const rest = { ...Object.fromEntries(Object.entries(user).filter(([key]) => !PROFILE.includes(key))), ...data };
  return { ...known, ...(Object.keys(rest).length > 0 ? { data: rest } : {}) };
}
