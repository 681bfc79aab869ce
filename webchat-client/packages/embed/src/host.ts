// The element in the page: `<portico-webchat>` with its shadow root. Put back when a page swaps its body.
import { adopt, hostStyle, launcherStyle } from "@portico/webchat-view";

export interface Host {
  readonly element: HTMLElement;
  /** Where the view is drawn. */
  readonly mount: HTMLElement;
  /** The site's own style sheet. */
  setCss(text: string): void;
  remove(): void;
}

/** Makes the element. `target` = fill this element instead of floating in a corner. */
export function createHost(target: string | Element | undefined): Host {
  const element = document.createElement("portico-webchat");
  const inline = target !== undefined;
  element.dataset["mode"] = inline ? "inline" : "float";
  const root = element.attachShadow({ mode: "open" });
  const setCss = adopt(root, [hostStyle, launcherStyle]);
  const mount = document.createElement("div");
  mount.style.setProperty("display", "contents");
  root.append(mount);

  const place = () => {
    if (element.isConnected) return;
    const parent = target === undefined ? document.body : typeof target === "string" ? document.querySelector(target) : target;
    parent?.append(element);
  };
  place();

  // A body swap is seen at the root, a removal at the body; an element deep in the page only by looking everywhere.
  const watch = new MutationObserver(() => {
    if (element.isConnected) return;
    place();
    follow();
  });
  const follow = () => {
    watch.disconnect();
    if (inline) watch.observe(document.documentElement, { childList: true, subtree: true });
    else {
      watch.observe(document.documentElement, { childList: true });
      if (document.body) watch.observe(document.body, { childList: true });
    }
  };
  follow();
  return {
    element,
    mount,
    setCss,
    remove() {
      watch.disconnect();
      element.remove();
    },
  };
}
