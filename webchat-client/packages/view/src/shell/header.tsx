// Who one is talking to, and what else there is.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "../icons.tsx";
import { safeMedia } from "../markdown/links.ts";
import { useClient, useSettings, useText, useUi, useWidget } from "../widget/context.ts";
import { Avatar } from "./avatar.tsx";
import { IconButton } from "./icon-button.tsx";

export function Header() {
  const widget = useWidget();
  const t = useText();
  const settings = useSettings();
  const page = useUi((ui) => ui.page);
  const closable = useUi((ui) => ui.closable);
  const alone = useUi((ui) => ui.full && !ui.closable);
  const cover = safeMedia(settings.coverImage);
  const inside = page === "info" || page === "list";
  const title = page === "info" ? t("info") : page === "list" ? t("conversations") : settings.botName;
  return (
    <div className="pt-header" part="header">
      {cover !== undefined && page === "chat" && <div className="pt-cover"><img src={cover} alt="" decoding="async" /></div>}
      <div className="pt-header-row pt-column">
        {inside && <IconButton icon="back" label={t("back")} onPress={() => widget.go("chat")} />}
        {!inside && <Avatar name={settings.botName} src={settings.botAvatar} />}
        <div className="pt-header-text">
          <h2 id={`${widget.id}-title`} dir="auto" aria-level={alone ? 1 : undefined}>{title}</h2>
          {!inside && settings.description !== undefined && <p className="pt-header-sub" dir="auto">{settings.description}</p>}
        </div>
        <div className="pt-header-tools">
          <slot name="header" />
          {page === "chat" && <Menu />}
          {settings.showClose && closable && <IconButton icon="close" label={t("closeChat")} onPress={() => widget.close()} />}
        </div>
      </div>
    </div>
  );
}

interface Item {
  readonly icon: IconName;
  readonly label: string;
  readonly run: () => void;
}

/** The menu behind "…": arrow keys move, Escape closes it and nothing else. */
function Menu() {
  const widget = useWidget();
  const t = useText();
  const settings = useSettings();
  const muted = useUi((ui) => ui.muted);
  const mayNotify = useUi((ui) => ui.mayNotify);
  const spoken = useClient((state) => state.messages.length > 0);
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const items: Item[] = [];
  if (settings.conversationList) {
    items.push({ icon: "list", label: t("conversations"), run: () => widget.go("list") });
    items.push({ icon: "plus", label: t("newConversation"), run: () => void widget.client.newConversation().catch(() => widget.ui.set({ notice: t("reconnecting") })) });
  }
  if (settings.transcript && spoken) items.push({ icon: "download", label: t("transcript"), run: () => void widget.download("txt") });
  if (settings.sound) items.push({ icon: muted ? "sound" : "mute", label: t(muted ? "soundOn" : "soundOff"), run: () => widget.setMuted(!muted) });
  if (settings.desktopNotifications && mayNotify) items.push({ icon: "bell", label: t("notify"), run: () => void widget.askToNotify() });
  if (settings.showInfo) items.push({ icon: "info", label: t("info"), run: () => widget.go("info") });

  useEffect(() => {
    if (!open) return undefined;
    root.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const away = (event: Event) => {
      if (!root.current?.parentElement?.contains(event.composedPath()[0] as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", away, true);
    return () => document.removeEventListener("pointerdown", away, true);
  }, [open]);

  if (items.length === 0) return null;
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const all = [...(root.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const at = all.indexOf((root.current?.getRootNode() as Document | ShadowRoot).activeElement as HTMLElement);
    const to = event.key === "ArrowDown" ? at + 1 : event.key === "ArrowUp" ? at - 1 : event.key === "Home" ? 0 : event.key === "End" ? -1 : undefined;
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === "Tab") setOpen(false);
    else if (to !== undefined) {
      event.preventDefault();
      all.at(to % all.length)?.focus();
    }
  };
  return (
    <>
      <button type="button" className="pt-iconbutton" ref={button} aria-label={t("menu")} title={t("menu")} aria-haspopup="menu" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name="more" />
      </button>
      {open && (
        <div className="pt-menu" role="menu" aria-label={t("menu")} ref={root} onKeyDown={onKeyDown as never}>
          {items.map((item) => (
            <MenuItem key={item.label} icon={item.icon} onPress={() => {
              close();
              item.run();
            }}>{item.label}</MenuItem>
          ))}
        </div>
      )}
    </>
  );
}

function MenuItem({ icon, onPress, children }: { icon: IconName; onPress: () => void; children: ComponentChildren }) {
  return <button type="button" role="menuitem" tabIndex={-1} onClick={onPress}><Icon name={icon} />{children}</button>;
}
