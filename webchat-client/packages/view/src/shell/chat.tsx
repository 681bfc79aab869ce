// The whole widget: launcher, bubble, panel, and the region that speaks.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { adoptMore, applyLook, themeNow } from "../theme/apply.ts";
import { loadExtras, loadPanel } from "../widget/chunks.ts";
import { useChunk, useSettings, useText, useUi, WidgetContext } from "../widget/context.ts";
import type { Widget } from "../widget/widget.ts";
import { Launcher } from "./launcher.tsx";
import { Proactive } from "./proactive.tsx";

/** `float`: launcher and panel in a corner. `inline`: the panel fills its parent. */
export type Mode = "float" | "inline";

export function Chat({ widget, mode }: { widget: Widget; mode: Mode }) {
  return (
    <WidgetContext.Provider value={widget}>
      <Root widget={widget} mode={mode} />
    </WidgetContext.Provider>
  );
}

function Root({ widget, mode }: { widget: Widget; mode: Mode }) {
  const settings = useSettings();
  const t = useText();
  const theme = useUi((ui) => ui.theme);
  const enlarged = useUi((ui) => ui.enlarged);
  const launcher = useUi((ui) => ui.launcher);
  const open = useUi((ui) => ui.open);
  const [idle, setIdle] = useState(open);
  const root = useRef<HTMLDivElement>(null);
  const extras = useChunk(loadExtras, enlarged !== null);
  const panel = useChunk(async () => {
    const part = await loadPanel();
    const home = root.current?.getRootNode();
    // Dressed before it is drawn, so that it can measure itself.
    if (typeof ShadowRoot !== "undefined" && home instanceof ShadowRoot) adoptMore(home, part.panelStyle);
    return part;
  }, idle || open);

  useEffect(() => {
    const timer = setTimeout(() => setIdle(true), 300);
    return () => clearTimeout(timer);
  }, []);
  useEffect(() => panel?.callBack(widget), [panel, widget]);

  useLayoutEffect(() => {
    if (root.current) applyLook(root.current, settings, theme);
  }, [settings, theme]);

  useEffect(() => {
    const query = typeof matchMedia === "function" ? matchMedia("(prefers-color-scheme: dark)") : undefined;
    const choose = () => widget.ui.set({ theme: themeNow(settings.theme, query?.matches ?? false) });
    choose();
    query?.addEventListener("change", choose);
    return () => query?.removeEventListener("change", choose);
  }, [settings.theme]);

  return (
    <div
      ref={root}
      className="pt-root"
      dir={t.dir}
      lang={t.locale || "en"}
      data-theme={theme}
      data-mode={mode}
      data-position={settings.position}
      data-times={settings.timestamps}
      data-still={settings.animations ? undefined : ""}
      data-bare={launcher ? undefined : ""}
    >
      {mode === "float" && <Proactive />}
      {panel && <panel.Panel floating={mode === "float"} />}
      {mode === "float" && <Launcher />}
      {panel && <panel.StatusRegion />}
      {extras && <extras.Lightbox />}
    </div>
  );
}
