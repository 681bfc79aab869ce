/** The page's life: online again, back from the cache, shown, hidden for long, left. */
import type { Surroundings } from "./types.ts";

const SLEEP_MS = 300_000;

/** Returns what stops listening. */
export function watchPage(
  { window, document, setTimeout, clearTimeout }: Surroundings,
  on: { wake(): void; sleep(): void; leave(): void; back(): void },
): () => void {
  const stops: (() => void)[] = [];
  const listen = (target: EventTarget | undefined, name: string, run: () => void): void => {
    target?.addEventListener(name, run);
    stops.push(() => target?.removeEventListener(name, run));
  };
  let hidden: unknown;
  listen(window, "online", on.wake);
  listen(window, "pageshow", on.back);
  listen(window, "pagehide", on.leave);
  listen(document, "visibilitychange", () => {
    clearTimeout(hidden);
    if (document?.visibilityState === "hidden") hidden = setTimeout(on.sleep, SLEEP_MS);
    else on.wake();
  });
  return () => {
    clearTimeout(hidden);
    for (const stop of stops) stop();
  };
}

/** Where the visitor is, without query string and fragment. */
export function pageOf(document: Document | undefined): { url: string; title: string; ref: string } | undefined {
  if (!document?.location) return undefined;
  const plain = (address: string): string => address.replace(/[?#].*$/s, "");
  return { url: plain(document.location.href), title: document.title, ref: plain(document.referrer) };
}
