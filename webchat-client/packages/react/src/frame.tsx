// What every part of the view stands in: the root that carries theme, direction, colours and style sheet.
import { createContext, useContext, useEffect, useRef, useState, type ReactElement, type ReactNode } from "react";
import { adopt, applyLook, themeNow, useSettings, useText, useUi, useWidget, launcherStyle, type Mode } from "@portico/webchat-view";
import { panelStyle } from "@portico/webchat-view/parts.ts";
import { useOnPage } from "./provider.tsx";

/** True below a root. */
export const InFrame = createContext(false);

/** False on a server and for the first drawing in the browser, so that both draw the same. */
export function useMounted(): boolean {
  const [mounted, setMounted] = useState(false);
  useEffect(() => setMounted(true), []);
  return mounted;
}

const dressed = new WeakSet<Document>();

/** Gives the page the style sheet, once, as a constructed sheet. Every rule is below `.pt-root`. */
export function dress(page: Document): void {
  if (dressed.has(page)) return;
  dressed.add(page);
  adopt(page, [launcherStyle, panelStyle]);
}

export function Frame({ mode, children }: { mode: Mode; children?: ReactNode }): ReactElement {
  const widget = useWidget();
  const settings = useSettings();
  const t = useText();
  const theme = useUi((ui) => ui.theme);
  const launcher = useUi((ui) => ui.launcher);
  const root = useRef<HTMLDivElement>(null);

  useOnPage(() => {
    if (!root.current) return;
    dress(root.current.ownerDocument);
    applyLook(root.current, settings, theme);
  }, [settings, theme]);
  useEffect(() => {
    const query = typeof matchMedia === "function" ? matchMedia("(prefers-color-scheme: dark)") : undefined;
    const choose = () => widget.ui.set({ theme: themeNow(settings.theme, query?.matches ?? false) });
    choose();
    query?.addEventListener("change", choose);
    return () => query?.removeEventListener("change", choose);
  }, [widget, settings.theme]);

  return (
    <div
      ref={root}
      className={settings.className === undefined ? "pt-root" : `pt-root ${settings.className}`}
      dir={t.dir}
      lang={t.locale || "en"}
      data-theme={theme}
      data-mode={mode}
      data-position={settings.position}
      data-times={settings.timestamps}
      data-still={settings.animations ? undefined : ""}
      data-bare={launcher ? undefined : ""}
    >
      <InFrame.Provider value={true}>{children}</InFrame.Provider>
    </div>
  );
}

/** Draws `children` in a root: the one above, or one of their own. Nothing on a server. */
export function Framed({ mode = "inline", children }: { mode?: Mode; children?: ReactNode }): ReactElement | null {
  const inside = useContext(InFrame);
  const mounted = useMounted();
  if (inside) return <>{children}</>;
  return mounted ? <Frame mode={mode}>{children}</Frame> : null;
}
