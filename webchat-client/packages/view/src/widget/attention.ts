// What calls a visitor back: the chime, the count in the page's title, a notification, the bubble at the launcher.
// Several tabs are open: the one that holds the lock rings.
import { summary } from "../markdown/plain.ts";
import { loadExtras } from "./chunks.ts";
import type { Widget } from "./widget.ts";

/** Watches one chat. Returns what ends it. */
export function callBack(widget: Widget): () => void {
  const stops = [ring(widget), countInTitle(widget), offer(widget)];
  return () => stops.forEach((stop) => stop());
}

function ring(widget: Widget): () => void {
  let context: AudioContext | undefined;
  let release: (() => void) | undefined;
  let mine = typeof navigator === "undefined" || !navigator.locks;
  const wake = () => {
    try {
      context ??= new AudioContext();
      void context.resume().catch(() => undefined);
    } catch {
      // No sound here.
    }
  };
  addEventListener("pointerdown", wake, { once: true, capture: true });
  addEventListener("keydown", wake, { once: true, capture: true });
  if (!mine) {
    void navigator.locks.request(`portico:${widget.client.channel}:bell`, () => {
      mine = true;
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    }).catch(() => {
      // No locks in this frame: better two chimes than none.
      mine = true;
    });
  }
  const mayNotify = () => widget.ui.set({ mayNotify: typeof Notification !== "undefined" && Notification.permission === "default" });
  mayNotify();
  const stop = widget.client.on("message", (message) => {
    const { settings, t } = widget.look.get();
    const looking = widget.ui.get().open && document.visibilityState === "visible" && document.hasFocus();
    if (!mine || looking || message.body.type === "system") return;
    if (settings.sound && !widget.ui.get().muted && context) {
      const output = context;
      void loadExtras().then((extras) => extras.chime(output), () => undefined);
    }
    if (settings.desktopNotifications && typeof Notification !== "undefined" && Notification.permission === "granted") {
      const note = new Notification(message.author?.name ?? settings.botName, { body: summary(message.body, t).slice(0, 200), tag: `portico:${widget.client.channel}` });
      note.onclick = () => {
        window.focus();
        widget.open();
        note.close();
      };
    }
  });
  return () => {
    stop();
    release?.();
    void context?.close().catch(() => undefined);
    removeEventListener("pointerdown", wake, true);
    removeEventListener("keydown", wake, true);
  };
}

/** "(2) new messages" in the title of a page that nobody looks at. */
function countInTitle(widget: Widget): () => void {
  let before: string | undefined;
  let ours = "";
  const show = () => {
    const n = widget.client.getState().unread;
    // A page that has changed its title meanwhile keeps its own.
    if (before !== undefined && document.title !== ours) before = undefined;
    if (n > 0 && document.visibilityState === "hidden") {
      before ??= document.title;
      ours = `${widget.look.get().t("unreadTitle", { n })} · ${before}`;
      document.title = ours;
    } else if (before !== undefined) {
      document.title = before;
      before = undefined;
    }
  };
  const stop = widget.client.on("unread", show);
  document.addEventListener("visibilitychange", show);
  return () => {
    stop();
    document.removeEventListener("visibilitychange", show);
    if (before !== undefined && document.title === ours) document.title = before;
  };
}

/** The proactive bubble: after a while, when nothing moves, or when the pointer leaves the page. */
function offer(widget: Widget): () => void {
  const { proactive } = widget.look.get().settings;
  const { client } = widget;
  if (!proactive || (proactive.once && client.shared.get("offered") === true)) return () => undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const show = () => {
    stop();
    if (widget.ui.get().open || client.getState().messages.length > 0) return;
    widget.ui.set({ proactive: true });
    widget.announce(proactive.text);
    if (proactive.once) client.shared.set("offered", true);
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(show, proactive.delayMs);
  };
  const leave = (event: MouseEvent) => {
    if (event.relatedTarget === null && event.clientY <= 0) show();
  };
  const moves = ["pointermove", "keydown", "scroll"] as const;
  if (proactive.when === "exit") document.addEventListener("mouseout", leave);
  else later();
  if (proactive.when === "idle") for (const move of moves) addEventListener(move, later, { passive: true });
  const stop = () => {
    clearTimeout(timer);
    document.removeEventListener("mouseout", leave);
    for (const move of moves) removeEventListener(move, later);
  };
  return stop;
}
