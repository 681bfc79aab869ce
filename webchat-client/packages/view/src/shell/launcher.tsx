// The round button in the corner.
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../icons.tsx";
import { safeMedia } from "../markdown/links.ts";
import { useClient, useSettings, useText, useUi, useWidget } from "../widget/context.ts";

export function Launcher() {
  const widget = useWidget();
  const t = useText();
  const settings = useSettings();
  const open = useUi((ui) => ui.open);
  const full = useUi((ui) => ui.full);
  const shown = useUi((ui) => ui.launcher);
  const unread = useClient((state) => state.unread);
  const button = useRef<HTMLButtonElement>(null);
  const was = useRef(open);
  useEffect(() => {
    // Focus returns to where it came from.
    if (was.current && !open) button.current?.focus({ preventScroll: true });
    was.current = open;
  }, [open]);
  if (!shown || (open && full)) return null;
  const image = safeMedia(settings.launcherImage);
  const name = open ? t("closeChat") : unread > 0 ? t("openUnread", { n: unread, bot: settings.botName }) : t("open", { bot: settings.botName });
  return (
    <button type="button" id={`${widget.id}-launcher`} className="pt-launcher" part="launcher" ref={button} aria-expanded={open} aria-haspopup="dialog" aria-controls={open ? `${widget.id}-panel` : undefined} aria-label={name} onClick={() => widget.toggle()}>
      {open ? <Icon name="down" /> : image !== undefined ? <img src={image} alt="" decoding="async" /> : <Icon name="chat" />}
      {!open && unread > 0 && <span className="pt-badge" aria-hidden="true" data-count={unread > 99 ? "99+" : unread} />}
    </button>
  );
}
