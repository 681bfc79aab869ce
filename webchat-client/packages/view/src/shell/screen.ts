// What a panel that fills the screen owes: the height that the keyboard leaves, focus that stays inside, a page that
// does not scroll behind it, and a back button that closes it.
import { useEffect } from "preact/hooks";
import type { Widget } from "../widget/widget.ts";

type Box = { readonly current: HTMLElement | null };

/** Follows the visual viewport: a keyboard that comes up shortens the panel. */
export function useViewport(box: Box, on: boolean): void {
  useEffect(() => {
    const view = typeof window === "undefined" ? undefined : window.visualViewport;
    const element = box.current;
    if (!on || !view || !element) return undefined;
    const fit = () => {
      // A pinch zoom is the reader's own business.
      if (view.scale > 1.01) return;
      element.style.setProperty("--pt-vh", `${view.height}px`);
      element.style.setProperty("--pt-vtop", `${view.offsetTop}px`);
    };
    fit();
    view.addEventListener("resize", fit);
    view.addEventListener("scroll", fit);
    return () => {
      view.removeEventListener("resize", fit);
      view.removeEventListener("scroll", fit);
      element.style.removeProperty("--pt-vh");
      element.style.removeProperty("--pt-vtop");
    };
  }, [on]);
}

const FOCUSABLE = "a[href],button:not([disabled]),textarea:not([disabled]),input:not([disabled]):not([hidden]),select:not([disabled]),audio[controls],video[controls],[tabindex]:not([tabindex='-1'])";

/** Keeps Tab inside, and the page behind still. */
export function useFocusTrap(box: Box, on: boolean): void {
  useEffect(() => {
    const element = box.current;
    if (!on || !element) return undefined;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== "Tab") return;
      const all = [...element.querySelectorAll<HTMLElement>(FOCUSABLE)].filter((one) => one.getClientRects().length > 0);
      const first = all[0];
      const last = all[all.length - 1];
      const at = (element.getRootNode() as Document | ShadowRoot).activeElement;
      if (!first || !last) return;
      if (event.shiftKey && (at === first || at === element)) {
        event.preventDefault();
        last.focus();
      } else if (!event.shiftKey && at === last) {
        event.preventDefault();
        first.focus();
      }
    };
    element.addEventListener("keydown", onKeyDown);
    const page = document.documentElement;
    const before = page.style.getPropertyValue("overflow");
    page.style.setProperty("overflow", "hidden");
    return () => {
      element.removeEventListener("keydown", onKeyDown);
      if (before === "") page.style.removeProperty("overflow");
      else page.style.setProperty("overflow", before);
    };
  }, [on]);
}

/** The back button of a phone closes the panel instead of leaving the page. */
export function useBackCloses(widget: Widget, on: boolean): void {
  useEffect(() => {
    if (!on || typeof history === "undefined") return undefined;
    const mark = `${widget.id}-open`;
    // A router's own state is kept: ours is one more field.
    const state: unknown = history.state;
    const fields = typeof state === "object" && state !== null ? state : {};
    try {
      history.pushState({ ...fields, portico: mark }, "");
    } catch {
      return undefined;
    }
    let left = false;
    const onPop = () => {
      left = true;
      widget.close();
    };
    window.addEventListener("popstate", onPop);
    return () => {
      window.removeEventListener("popstate", onPop);
      const here: unknown = history.state;
      if (!left && typeof here === "object" && here !== null && "portico" in here && here.portico === mark) history.back();
    };
  }, [on]);
}
