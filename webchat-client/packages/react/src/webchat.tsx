// <Webchat>: the finished widget, in a shadow root unless told otherwise.
import { useEffect, useRef, useState, type ReactElement, type SyntheticEvent } from "react";
import { createPortal } from "react-dom";
import { adopt, Chat, hostStyle, launcherStyle, useSettings, useWidget } from "@portico/webchat-view";
import { dress, InFrame, useMounted } from "./frame.tsx";
import { useOnPage } from "./provider.tsx";
import type { WebchatProps } from "./types.ts";

/** Below this width the panel fills the screen. */
const PHONE = "(max-width: 479.98px)";

/** Launcher and panel, whole. */
export function Webchat({ mode = "float", isolated = true, defaultOpen = false, className }: WebchatProps): ReactElement | null {
  const widget = useWidget();
  const settings = useSettings();
  const mounted = useMounted();
  const float = mode === "float";
  const classes = [className, settings.className].filter(Boolean).join(" ") || undefined;

  useEffect(() => {
    const { ui, client } = widget;
    if (!float) {
      ui.set({ closable: false });
      widget.open();
      return () => {
        ui.set({ closable: true });
        widget.close();
      };
    }
    const phone = typeof matchMedia === "function" ? matchMedia(PHONE) : undefined;
    const fit = () => ui.set({ full: phone?.matches ?? false });
    fit();
    phone?.addEventListener("change", fit);
    // Open in another page of the same visit: open here too, but never over a whole phone screen unasked.
    if (defaultOpen || (client.shared.get("open") === true && !phone?.matches)) widget.open();
    return () => {
      phone?.removeEventListener("change", fit);
      ui.set({ full: false });
    };
    // `defaultOpen` counts once.
  }, [widget, float]);

  if (!mounted) return null;
  if (isolated) return <Isolated float={float} className={classes} css={settings.css} />;
  return (
    <Dressed className={classes}>
      <Chat widget={widget} mode={mode} />
    </Dressed>
  );
}

/** In the page's own tree, with the sheet of the page. */
function Dressed({ className, children }: { className: string | undefined; children: ReactElement }): ReactElement {
  const box = useRef<HTMLDivElement>(null);
  useOnPage(() => {
    if (box.current) dress(box.current.ownerDocument);
  }, []);
  return <div ref={box} className={className ?? "portico-webchat"}>{children}</div>;
}

/**
 * In a shadow root, by a portal: renderers still see the contexts of the page. A floating one hangs at the end of the
 * body, where no transformed or clipped ancestor moves it.
 */
function Isolated({ float, className, css }: { float: boolean; className: string | undefined; css: string | undefined }): ReactElement {
  const widget = useWidget();
  const place = useRef<HTMLDivElement>(null);
  const [shadow, setShadow] = useState<{ root: ShadowRoot; setCss(text: string): void } | null>(null);
  useOnPage(() => {
    const around = float ? document.body : place.current;
    if (!around) return undefined;
    const element = document.createElement("portico-webchat");
    element.dataset["mode"] = float ? "float" : "inline";
    const root = element.attachShadow({ mode: "open" });
    const setCss = adopt(root, [hostStyle, launcherStyle]);
    around.append(element);
    setShadow({ root, setCss });
    return () => {
      element.remove();
      setShadow(null);
    };
  }, [float]);
  useOnPage(() => {
    if (!shadow) return;
    shadow.setCss(css ?? "");
    shadow.root.host.className = float ? (className ?? "") : "";
  }, [shadow, css, className, float]);
  const chat = <Chat widget={widget} mode={float ? "float" : "inline"} />;
  const held = shadow && createPortal(
    <InFrame.Provider value={true}>{float ? chat : <div style={{ display: "contents" }} {...STOP}>{chat}</div>}</InFrame.Provider>,
    // React takes any node with children; its types name elements and fragments of a document.
    shadow.root as unknown as Element,
  );
  return float ? <>{held}</> : <div ref={place} className={className ?? "portico-webchat"}>{held}</div>;
}

/**
 * An event in an inline chat reaches the elements around it as the browser has it leave the shadow root. React would
 * bring it a second time, through the portal: there it ends.
 */
function stop(event: SyntheticEvent): void {
  event.isPropagationStopped = () => true;
}
const STOP = Object.fromEntries([
  "onClick", "onDoubleClick", "onContextMenu", "onMouseDown", "onMouseUp", "onMouseMove", "onMouseOver", "onMouseOut", "onPointerDown", "onPointerUp",
  "onPointerMove", "onPointerOver", "onPointerOut", "onPointerCancel", "onTouchStart", "onTouchMove", "onTouchEnd", "onTouchCancel", "onKeyDown", "onKeyUp", "onInput",
  "onBeforeInput", "onChange", "onSubmit", "onFocus", "onBlur", "onPaste", "onCopy", "onCut", "onWheel", "onDragEnter", "onDragOver", "onDragLeave", "onDrop",
].map((name) => [name, stop]));
