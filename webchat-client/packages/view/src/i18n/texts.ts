// Texts of the interface in one language: `t("typing", { name })`, plurals by `Intl.PluralRules`.
// English is built in and answers for every key that a language or a site's `strings` lacks.
import english from "./locales/en.json";

/** A text: one form, or one form per plural category (`other` is always there). */
export type Text = string | { readonly [category: string]: string };
/** The name of a text. English decides which exist; a test holds the other languages to it. */
export type TextKey = keyof typeof english;
export type Texts = { readonly [key in TextKey]?: Text };
export type Values = { readonly [name: string]: string | number };

/** Looks a text up and fills it in. `n` among the values chooses the plural form. */
export interface Translate {
  (key: TextKey, values?: Values): string;
  readonly locale: string;
  readonly dir: "ltr" | "rtl";
}

/** Texts that the build has written as a list, in the order of the English ones, under their keys again. */
export function listed(list: readonly (Text | null)[]): Texts {
  return Object.fromEntries(Object.keys(english).map((key, i) => [key, list[i] ?? undefined] as const).filter(([, text]) => text !== undefined));
}

const RIGHT_TO_LEFT = /^(ar|he|fa|ur|ps|yi|dv|ckb|sd|ug)\b/i;

/** Direction of a language's script. */
export function directionOf(locale: string): "ltr" | "rtl" {
  return RIGHT_TO_LEFT.test(locale) ? "rtl" : "ltr";
}

/**
 * Makes the lookup for one language.
 *
 * - `texts`: the language's own; missing keys fall back to English.
 * - `strings`: the site's words for single keys (`strings` of the configuration); they win.
 */
export function translator(locale: string, texts: Texts, strings: Readonly<Record<string, unknown>> = {}): Translate {
  const plural = pluralRules(locale);
  const lookup = (key: TextKey, values: Values = {}): string => {
    const own = strings[key];
    const text: Text = isText(own) ? own : (texts[key] ?? english[key]);
    return fill(typeof text === "string" ? text : formFor(text, values["n"], plural), values, locale);
  };
  return Object.assign(lookup, { locale, dir: directionOf(locale) });
}

function isText(value: unknown): value is Text {
  return typeof value === "string" || (typeof value === "object" && value !== null && "other" in value);
}

function pluralRules(locale: string): Intl.PluralRules {
  try {
    return new Intl.PluralRules(locale);
  } catch {
    return new Intl.PluralRules("en");
  }
}

function formFor(text: Exclude<Text, string>, n: string | number | undefined, plural: Intl.PluralRules): string {
  return text[plural.select(Number(n ?? 0))] ?? text["other"] ?? "";
}

function fill(text: string, values: Values, locale: string): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? formatNumber(value, locale) : value;
  });
}

function formatNumber(value: number, locale: string): string {
  try {
    return new Intl.NumberFormat(locale).format(value);
  } catch {
    return String(value);
  }
}
