// One chat on a page, without its elements: the headless client, the settings, what is open, and what the
// components may ask for. The embed, the hosted page and the React components each make one.
import type { Body, Client, Message, OutgoingBody } from "@portico/webchat";
import type { ComponentChildren } from "preact";
import { DEFAULTS, type Settings } from "../config/settings.ts";
import { translator, type Translate } from "../i18n/texts.ts";
import { createStore, type Store } from "./store.ts";

/** A file that was chosen and not yet sent. */
export interface PendingFile {
  readonly key: string;
  readonly file: File;
  /** An address of this page for the small picture; released when the file goes. */
  readonly preview?: string;
}

/** Which page of the panel is shown. */
export type Page = "chat" | "info" | "list" | "start";

export interface UiState {
  readonly open: boolean;
  readonly page: Page;
  /** The launcher may be hidden by the page or the bot. */
  readonly launcher: boolean;
  /** The panel fills the window: phones, the hosted page. */
  readonly full: boolean;
  /** Closing makes sense: not on the hosted page. */
  readonly closable: boolean;
  readonly theme: "light" | "dark";
  readonly draft: string;
  readonly files: readonly PendingFile[];
  /** Names of files that are being uploaded. */
  readonly uploading: readonly string[];
  /** What is wrong with what was just tried; shown above the composer and announced. */
  readonly notice: string | null;
  /** Said once to screen readers. */
  readonly announce: string;
  readonly proactive: boolean;
  readonly muted: boolean;
  readonly started: boolean;
  readonly enlarged: { readonly src: string; readonly alt: string } | null;
  /** Message id → thumb that was given. */
  readonly thumbs: Readonly<Record<string, "positive" | "negative">>;
  /** The page may ask for notifications and was not yet allowed to. */
  readonly mayNotify: boolean;
}

/** Replaces how one type of message (or one `custom` by its name) is shown. */
export type Renderer = (props: { readonly message: Message; readonly body: Body; readonly widget: Widget }) => ComponentChildren;

/** What the view tells. False = somebody has prevented what was about to happen. */
export type Emit = (event: string, payload: unknown) => boolean;

export interface Look {
  readonly settings: Settings;
  readonly t: Translate;
}

export interface Widget {
  readonly client: Client;
  readonly ui: Store<UiState>;
  readonly look: Store<Look>;
  readonly emit: Emit;
  readonly renderers: Readonly<Record<string, Renderer>>;
  /** Unique on the page; begins the ids of elements. */
  readonly id: string;
  open(): void;
  close(): void;
  toggle(): void;
  go(page: Page): void;
  /** Sends a text or body; the reason why not appears above the composer. True = queued. */
  send(message: string | OutgoingBody, replyTo?: string): boolean;
  sendFiles(files: readonly File[]): Promise<void>;
  /** A visitor chose an option or pressed a card's button. */
  select(message: Message, choice: { readonly label: string; readonly value: string; readonly say?: string }): void;
  /** A link is about to open. */
  link(href: string): boolean;
  setMuted(muted: boolean): void;
  announce(sentence: string): void;
  /** Downloads the conversation as a file. */
  download(format: "txt" | "json" | "html"): Promise<void>;
  /** Asks the browser for notifications; only ever after a click. */
  askToNotify(): Promise<void>;
  destroy(): void;
}

export interface WidgetOptions {
  readonly client: Client;
  readonly settings?: Settings;
  readonly t?: Translate;
  readonly emit?: Emit;
  readonly renderers?: Readonly<Record<string, Renderer>>;
  readonly open?: boolean;
  readonly full?: boolean;
  readonly closable?: boolean;
}

let count = 0;

export function createWidget(options: WidgetOptions): Widget {
  const { client } = options;
  const emit: Emit = options.emit ?? (() => true);
  const settings = options.settings ?? DEFAULTS;
  const look = createStore<Look>({ settings, t: options.t ?? translator("en", {}) });
  const ui = createStore<UiState>({
    open: options.open ?? false,
    page: "chat",
    launcher: settings.launcher,
    full: options.full ?? false,
    closable: options.closable ?? true,
    theme: settings.theme === "dark" ? "dark" : "light",
    draft: text(client.shared.get("draft")),
    files: [],
    uploading: [],
    notice: null,
    announce: "",
    proactive: false,
    muted: client.shared.get("muted") === true,
    started: client.shared.get("started") === true,
    enlarged: null,
    thumbs: {},
    mayNotify: false,
  });
  const t: Translate = Object.assign(((key, values) => look.get().t(key, values)) as Translate, { locale: "", dir: "ltr" as const });
  const unwatch = [
    client.shared.watch("draft", (value) => ui.set({ draft: text(value) })),
    client.shared.watch("muted", (value) => ui.set({ muted: value === true })),
    client.shared.watch("started", (value) => ui.set({ started: value === true })),
    client.on("logout", () => ui.set({ draft: "", thumbs: {}, files: [], started: false, page: "chat" })),
  ];

  const widget: Widget = {
    client,
    ui,
    look,
    emit,
    renderers: options.renderers ?? {},
    id: `pt${++count}`,
    open() {
      if (ui.get().open) return;
      ui.set({ open: true, proactive: false });
      emit("opened", {});
    },
    close() {
      if (!ui.get().open || !ui.get().closable) return;
      ui.set({ open: false, enlarged: null });
      emit("closed", {});
    },
    toggle() {
      if (ui.get().open) widget.close();
      else widget.open();
    },
    go: (page) => ui.set({ page }),
    send(message, replyTo) {
      try {
        client.sendMessage(message, replyTo === undefined ? {} : { replyTo });
        ui.set({ notice: null });
        return true;
      } catch (error) {
        ui.set({ notice: reason(error, t) });
        return false;
      }
    },
    async sendFiles(files) {
      for (const file of files) {
        ui.set({ uploading: [...ui.get().uploading, file.name], notice: null });
        try {
          await client.sendFile(file);
        } catch (error) {
          ui.set({ notice: reason(error, t, file.name) });
        }
        const left = [...ui.get().uploading];
        left.splice(left.indexOf(file.name), 1);
        ui.set({ uploading: left });
      }
    },
    select(message, choice) {
      emit("messageSelected", { id: message.id, label: choice.label, value: choice.value });
      const sent = widget.send({ type: "text", text: choice.say ?? choice.label, value: choice.value }, message.id);
      if (sent) widget.announce(t("chosen", { label: choice.label }));
    },
    link(href) {
      let held = false;
      const kept = emit("link", { href, preventDefault: () => (held = true) });
      return kept && !held;
    },
    setMuted(muted) {
      client.shared.set("muted", muted);
      ui.set({ muted });
    },
    announce(sentence) {
      // The same sentence twice in a row must still be a change, or nobody hears the second.
      ui.set({ announce: ui.get().announce === sentence ? `${sentence}\u00a0` : sentence });
    },
    async download(format) {
      try {
        const blob = await client.transcript(format);
        save(blob, `chat-${client.conversationId ?? "transcript"}.${format}`);
      } catch (error) {
        ui.set({ notice: reason(error, t) });
      }
    },
    async askToNotify() {
      if (typeof Notification === "undefined") return;
      await Notification.requestPermission();
      ui.set({ mayNotify: Notification.permission === "default" });
    },
    destroy() {
      for (const stop of unwatch) stop();
    },
  };
  return widget;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Why something could not be sent, in the visitor's language. Codes are the client's. */
function reason(error: unknown, t: Translate, name?: string): string {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  if (code === "outbox_full") return t("full");
  if (code === "stopped" || code === "closed") return t("closedForever");
  if (name !== undefined) return t("uploadFailed", { name });
  return t("failed");
}

function save(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
