// Which language a visitor gets, and its lazy chunk of texts.
import { listed, type Text, type Texts } from "./texts.ts";

/** Languages with texts of their own; the others read English. */
export const LOCALES = ["en", "fr", "es", "de", "pt-BR", "it", "nl", "ar", "he", "ja", "zh-Hans"] as const;
export type Locale = (typeof LOCALES)[number];

/**
 * The language to ask for.
 *
 * - `wanted`: a tag, `auto` (page first, then browser) or `browser` (browser only).
 * - Returns tags in order of preference, most wanted first; may be empty.
 */
export function wishes(wanted: string, pageLang: string, browser: readonly string[]): string[] {
  const list = wanted === "browser" ? browser : wanted === "auto" ? [pageLang, ...browser] : [wanted];
  return list.filter((tag) => tag !== "" && tag !== undefined);
}

/** The best language at hand for a list of wishes, and the tag for dates and plurals (the wish itself, with its region). */
export function pick(wishList: readonly string[]): { locale: Locale; tag: string } {
  for (const wish of wishList) {
    const locale = match(wish);
    if (locale) return { locale, tag: canonical(wish) ?? locale };
  }
  return { locale: "en", tag: "en" };
}

function match(wish: string): Locale | undefined {
  const tag = wish.replace("_", "-").toLowerCase();
  const exact = LOCALES.find((locale) => locale.toLowerCase() === tag);
  if (exact) return exact;
  const language = tag.split("-")[0] ?? "";
  if (language === "zh") return "zh-Hans";
  if (language === "pt") return "pt-BR";
  if (language === "iw") return "he";
  return LOCALES.find((locale) => locale.split("-")[0] === language);
}

function canonical(tag: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(tag.replace("_", "-"))[0];
  } catch {
    return undefined;
  }
}

const CHUNKS: Readonly<Record<Exclude<Locale, "en">, () => Promise<{ default: Texts | readonly (Text | null)[] }>>> = {
  fr: () => import("./locales/fr.json"),
  es: () => import("./locales/es.json"),
  de: () => import("./locales/de.json"),
  "pt-BR": () => import("./locales/pt-BR.json"),
  it: () => import("./locales/it.json"),
  nl: () => import("./locales/nl.json"),
  ar: () => import("./locales/ar.json"),
  he: () => import("./locales/he.json"),
  ja: () => import("./locales/ja.json"),
  "zh-Hans": () => import("./locales/zh-Hans.json"),
};

function isList(texts: Texts | readonly (Text | null)[]): texts is readonly (Text | null)[] {
  return Array.isArray(texts);
}

/** Fetches a language's texts. A chunk that is gone (an old page after an upgrade) reads English. */
export async function loadTexts(locale: Locale): Promise<Texts> {
  if (locale === "en") return {};
  try {
    const texts = (await CHUNKS[locale]()).default;
    return isList(texts) ? listed(texts) : texts;
  } catch {
    return {};
  }
}
