import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LOCALES, loadTexts, pick, wishes } from "../src/i18n/pick.ts";
import { directionOf, listed, translator, type Text } from "../src/i18n/texts.ts";

const folder = new URL("../src/i18n/locales/", import.meta.url);
const texts = (locale: string) => JSON.parse(readFileSync(new URL(`${locale}.json`, folder), "utf8")) as Record<string, Text>;
const english = texts("en");
const names = (text: Text) => [...new Set([...(typeof text === "string" ? text : Object.values(text).join(" ")).matchAll(/\{(\w+)\}/g)].map((found) => found[1]))].sort();

describe("languages", () => {
  test("there is a file for each, and none besides", () => {
    expect(readdirSync(folder).map((file) => file.replace(".json", "")).sort()).toEqual([...LOCALES].sort());
  });
  test.each(LOCALES.filter((locale) => locale !== "en"))("%s has every text, with the same places to fill", (locale) => {
    const own = texts(locale);
    expect(Object.keys(own).sort()).toEqual(Object.keys(english).sort());
    for (const [key, text] of Object.entries(own)) {
      const plural = typeof text !== "string";
      expect(names(text).filter((name) => name !== "n" || !plural), `${locale} ${key}`).toEqual(names(english[key] ?? "").filter((name) => name !== "n" || !plural));
      if (plural) expect(text["other"], `${locale} ${key} lacks the form "other"`).toBeTypeOf("string");
      expect(typeof text === "string" ? text.trim() : "x", `${locale} ${key}`).not.toBe("");
    }
  });
  test.each(LOCALES)("%s is loaded", async (locale) => {
    const t = translator(locale, await loadTexts(locale));
    expect(t("send")).toBe((locale === "en" ? english : texts(locale))["send"]);
  });
});

test("texts that the build has made a list find their keys again", () => {
  for (const locale of LOCALES) {
    const own = texts(locale);
    expect(listed(Object.keys(english).map((key) => own[key] ?? null))).toEqual(own);
  }
  expect(listed(["Ouvrir", null])).toEqual({ open: "Ouvrir" });
});

describe("the right language", () => {
  test("page first, then browser, then English", () => {
    expect(pick(wishes("auto", "fr-CA", ["de"]))).toEqual({ locale: "fr", tag: "fr-CA" });
    expect(pick(wishes("auto", "", ["tlh", "de-AT"]))).toEqual({ locale: "de", tag: "de-AT" });
    expect(pick(wishes("browser", "fr", ["es"])).locale).toBe("es");
    expect(pick(wishes("nl", "fr", ["es"])).locale).toBe("nl");
    expect(pick([])).toEqual({ locale: "en", tag: "en" });
  });
  test("relatives are found", () => {
    expect(pick(["pt-PT"]).locale).toBe("pt-BR");
    expect(pick(["zh-CN"]).locale).toBe("zh-Hans");
    expect(pick(["zh_TW"]).locale).toBe("zh-Hans");
    expect(pick(["iw"]).locale).toBe("he");
    expect(pick(["not a tag!"]).locale).toBe("en");
  });
  test("direction follows the script", () => {
    expect(directionOf("ar-EG")).toBe("rtl");
    expect(directionOf("he")).toBe("rtl");
    expect(directionOf("en")).toBe("ltr");
  });
});

describe("texts", () => {
  test("plurals follow the language", () => {
    const t = translator("en", {});
    expect(t("newMessages", { n: 1 })).toBe("1 new message");
    expect(t("newMessages", { n: 1200 })).toBe("1,200 new messages");
  });
  test("a site's own words win, and a missing key is English", () => {
    const t = translator("fr", {}, { send: "Go", newMessages: { one: "uno", other: "{n} mas" } });
    expect(t("send")).toBe("Go");
    expect(t("newMessages", { n: 1 })).toBe("uno");
    expect(t("close")).toBe("Close");
  });
  test("values are text, also when they look like places", () => {
    expect(translator("en", {})("typing", { name: "{name}" })).toBe("{name} is typing");
  });
});
