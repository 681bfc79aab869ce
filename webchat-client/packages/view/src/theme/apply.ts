// Settings to the root element: custom properties by CSSOM (no inline style attribute in any markup), theme, sheets.
import type { Settings } from "../config/settings.ts";
import { contrast, css, parseColor, readableOn, textOn } from "./accent.ts";

/** Backgrounds that accent-coloured text stands on, where a site has set none: page, tinted hover, bot's bubble. */
const GROUNDS = { light: ["#ffffff", "#eef2fb", "#f1f3f8"], dark: ["#15181f", "#1b2232", "#242a35"] } as const;

/** Puts the look of the settings on the root. Safe to call again after each change. */
export function applyLook(root: HTMLElement, settings: Settings, theme: "light" | "dark"): void {
  const put = (name: string, value: string | undefined) => {
    if (value === undefined) root.style.removeProperty(name);
    else root.style.setProperty(name, value);
  };
  put("--pt-accent", settings.accent);
  put("--pt-radius", settings.radius);
  put("--pt-offset", settings.offset);
  put("--pt-width", settings.width);
  put("--pt-height", settings.height);
  put("--pt-z", String(settings.zIndex));
  put("--pt-font", settings.font);
  const live = typeof getComputedStyle === "function" ? getComputedStyle(root) : undefined;
  const own = (name: string) => live?.getPropertyValue(name).trim() || undefined;
  const accent = parseColor(own("--portico-accent") ?? settings.accent) ?? parseColor("#2457d6");
  if (!accent) return;
  const bubble = own("--portico-bubble-user");
  const carried = bubble === undefined ? undefined : parseColor(bubble);
  const ink = textOn(accent);
  put("--pt-on-accent", css(carried && contrast(ink, carried) < 4.5 ? textOn(carried) : ink));
  const grounds = [own("--portico-bg"), own("--portico-bubble-bot"), ...GROUNDS[theme]]
    .map((color) => (color === undefined ? undefined : parseColor(color)))
    .filter((color) => color !== undefined);
  const set = own("--portico-bg") === undefined ? grounds : grounds.slice(0, own("--portico-bubble-bot") === undefined ? 1 : 2);
  put("--pt-accent-text", css(readableOn(accent, set)));
}

/** Theme to draw with: as set, or as the visitor's system prefers. */
export function themeNow(setting: Settings["theme"], prefersDark: boolean): "light" | "dark" {
  return setting === "auto" ? (prefersDark ? "dark" : "light") : setting;
}

/** One more sheet, before the last: the site's own stays the last word. */
export function adoptMore(root: ShadowRoot | Document, text: string): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  root.adoptedStyleSheets = [...root.adoptedStyleSheets.slice(0, -1), sheet, ...root.adoptedStyleSheets.slice(-1)];
}

/**
 * Style sheets of a shadow root (or document) as constructed sheets, which a strict content security policy allows.
 * Returns a function that replaces the text of the last one (the site's own `css`).
 */
export function adopt(root: ShadowRoot | Document, texts: readonly string[]): (last: string) => void {
  const sheets = [...texts, ""].map((text) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    return sheet;
  });
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, ...sheets];
  return (last) => sheets[sheets.length - 1]?.replaceSync(last);
}
