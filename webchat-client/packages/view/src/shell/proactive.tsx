// A bubble beside the launcher that begins the conversation. Never takes the focus.
import { useSettings, useText, useUi, useWidget } from "../widget/context.ts";
import { IconButton } from "./icon-button.tsx";

export function Proactive() {
  const widget = useWidget();
  const t = useText();
  const { proactive } = useSettings();
  const shown = useUi((ui) => ui.proactive && !ui.open && ui.launcher);
  if (!shown || !proactive) return null;
  return (
    <aside className="pt-proactive" aria-label={t("message")}>
      <button type="button" className="pt-proactive-text" dir="auto" onClick={() => widget.open()}>{proactive.text}</button>
      <IconButton icon="close" label={t("dismiss")} onPress={() => widget.ui.set({ proactive: false })} />
    </aside>
  );
}
