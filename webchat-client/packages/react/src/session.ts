// One chat of a provider: client, widget and settings, without any React. Does for React what the embed's
// `instance.ts` does for a page.
import { createClient, type ChannelConfig, type Client, type UserPatch } from "@portico/webchat";
import { createWidget, loadTexts, pick, resolve, translator, wishes, type Renderer, type Settings, type Widget } from "@portico/webchat-view";
import type { PorticoProviderProps, WebchatConfig } from "./types.ts";

type Fields = Record<string, unknown>;

export interface Session {
  readonly client: Client;
  readonly widget: Widget;
  /** The widget's own table of renderers, to be filled. */
  readonly renderers: Record<string, Renderer>;
  /** Takes the configuration of the page; called again when it changes. */
  configure(config: WebchatConfig | undefined): void;
  /** Who is told of events. */
  listen(onEvent: PorticoProviderProps["onEvent"]): void;
  /** Begins; gives the end. May begin again directly after its end, as React's strict mode does. */
  start(): () => void;
}

export function createSession(props: PorticoProviderProps): Session {
  let config: WebchatConfig = props.config ?? props.configuration ?? {};
  let gateway: ChannelConfig | null | undefined;
  let onEvent = props.onEvent;
  let running = 0;
  let settled = false;
  let wanted = false;
  const patches: Fields[] = [];
  const told = new Set<string>();

  const settle = (): Settings => {
    const { settings, warnings } = resolve({
      ...(gateway ? { gateway: layer(gateway), overridable: overridable(gateway) } : {}),
      init: config as Fields,
      patches,
    });
    for (const warning of warnings) {
      if (told.has(warning)) continue;
      told.add(warning);
      console.warn(`portico: ${warning}`);
    }
    return settings;
  };
  let settings = settle();
  if (!props.client && !props.channel) throw new Error("PorticoProvider: give channel=\"…\" (the channel id that the gateway shows) or a client");
  const client = props.client ?? createClient({
    channel: props.channel ?? "",
    ...(props.url === undefined ? {} : { url: props.url }),
    ...(props.getToken === undefined ? {} : { getToken: props.getToken }),
    storage: props.storage ?? settings.storage,
    ...(settings.user || settings.data ? { user: profile(settings.user ?? {}, settings.data ?? {}) } : {}),
  });

  const emit = (event: string, payload: unknown): boolean => {
    if (event === "opened") connect();
    if (event === "opened" || event === "closed") client.shared.set("open", event === "opened");
    try {
      return onEvent?.(event, payload) !== false;
    } catch (error) {
      // A listener's fault is the page's to see, and never the chat's.
      setTimeout(() => {
        throw error;
      });
      return true;
    }
  };
  const connect = (): void => {
    wanted = true;
    // Not before the channel has said where a session may be kept.
    if (settled && running > 0) void client.connect().catch(() => undefined);
  };
  const renderers: Record<string, Renderer> = {};
  const widget = createWidget({ client, settings, emit, renderers });

  const apply = (): void => {
    const before = settings;
    settings = settle();
    if (props.storage === undefined && !props.client && settings.storage !== before.storage) client.setStorage(settings.storage);
    if (settings.launcher !== before.launcher) widget.ui.set({ launcher: settings.launcher });
    widget.look.set({ settings });
    void speak();
  };
  /** The texts of the language that the settings ask for. */
  let spoken: { tag: string; strings: Settings["strings"] } | undefined;
  const speak = async (): Promise<void> => {
    const of = settings;
    const { locale, tag } = pick(wishes(of.locale, document.documentElement.lang, navigator.languages ?? []));
    if (spoken && spoken.tag === tag && spoken.strings === of.strings) return;
    spoken = { tag, strings: of.strings };
    client.setLocale(tag);
    const texts = await loadTexts(locale);
    if (of.strings === settings.strings && spoken.tag === tag) widget.look.set({ t: translator(tag, texts, of.strings) });
  };

  let ending: ReturnType<typeof setTimeout> | undefined;
  const load = async (): Promise<void> => {
    const run = running;
    gateway = await client.loadConfig().catch(() => gateway ?? null);
    if (run !== running) return;
    apply();
    settled = true;
    const { connect: when, proactive } = settings;
    if (!props.client && (when === "load" || (when === "auto" && (client.hasSession() || proactive !== undefined)))) wanted = true;
    if (wanted) connect();
  };
  let runs = 0;

  return {
    client,
    widget,
    renderers,
    configure(next) {
      if (JSON.stringify(next ?? {}) === JSON.stringify(config)) return;
      config = next ?? {};
      apply();
      emit("configChanged", config);
    },
    listen(next) {
      onEvent = next;
    },
    start() {
      clearTimeout(ending);
      running = ++runs;
      let known = false;
      const stops = [
        client.on("*", ({ type, payload }) => {
          if (type === "command" || type === "outdated") return;
          emit(type, payload);
          // The configuration could not be had at first; now the gateway is there.
          if (type === "connection" && payload.state === "open" && gateway === null) void load();
          if (type === "ready" && !known) {
            known = true;
            emit("userConnected", payload.user);
          }
        }),
        client.on("command", ({ name, data }) => {
          if (name === "open") widget.open();
          else if (name === "close") widget.close();
          else if (name === "toggle") widget.toggle();
          else if (name === "show" || name === "hide") {
            if (name === "hide") widget.close();
            widget.ui.set({ launcher: name === "show" });
            emit("visibility", { visible: name === "show" });
          } else if (name === "config" && isFields(data)) {
            const patch = isFields(data["config"]) ? data["config"] : data;
            patches.push(patch);
            apply();
            emit("configChanged", patch);
          }
        }),
        client.on("outdated", () => emit("error", { code: "outdated", message: "the gateway speaks a newer protocol; update @portico/webchat and @portico/webchat-react" })),
      ];
      void speak();
      void load();
      return () => {
        running = 0;
        for (const stop of stops) stop();
        // Strict mode ends and begins again at once; only an end that stays is one.
        ending = setTimeout(() => {
          widget.destroy();
          if (!props.client) client.destroy();
        });
      };
    },
  };
}

/** The look that a channel has at the gateway, as a layer of configuration: its keys stand among the others. */
function layer(gateway: ChannelConfig): Fields {
  const { channel: _channel, name, identity: _identity, typing: _typing, page: _page, limits: _limits, overridable: _may, assets: _assets, ...look } = gateway;
  return Object.fromEntries(Object.entries({ botName: name, ...look }).filter(([, value]) => value !== undefined));
}

function overridable(gateway: ChannelConfig): readonly string[] | undefined {
  const list = gateway["overridable"];
  return Array.isArray(list) ? list.filter((key) => typeof key === "string") : undefined;
}

const PROFILE = ["name", "email", "phone", "pictureUrl"];

/** Flat records as a profile: what it has no field for is data. */
function profile(user: Readonly<Record<string, string>>, data: Readonly<Record<string, string>>): UserPatch {
  const known = Object.fromEntries(Object.entries(user).filter(([key]) => PROFILE.includes(key)));
  const rest = { ...Object.fromEntries(Object.entries(user).filter(([key]) => !PROFILE.includes(key))), ...data };
  return { ...known, ...(Object.keys(rest).length > 0 ? { data: rest } : {}) };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
