// @ts-check
// Fonts that come with the tests, so that a picture does not depend on those of the machine: letters, code, Arabic,
// Hebrew and emoji, each under its own name. Packages of `npm ci`; licence OFL.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
/** Package → weights that the widget uses. @type {Record<string, number[]>} */
const PACKAGES = { "noto-sans": [400, 600, 700], "noto-sans-mono": [400], "noto-sans-arabic": [400, 600, 700], "noto-sans-hebrew": [400, 600, 700], "noto-color-emoji": [] };
/** The one file of its package that Chromium draws: the parts hold drawings of a kind that only others read. */
const EMOJI = "noto-color-emoji/noto-color-emoji-emoji-400-normal.woff2";

/** For the widget's `font`: letters first, then the scripts and pictures that they lack. */
export const FAMILIES = ["Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Color Emoji"].map((name) => `'${name}'`).join(", ");
/** For the widget's `css`: code has a font of its own. */
export const CODE_CSS = ".pt-md code { font-family: 'Noto Sans Mono'; }";

/** @param {string} name */
const folder = (name) => dirname(require.resolve(`@fontsource/${name}/package.json`));

/** The declarations for a page's head; a font is waited for, never replaced by another. @param {string} base address of the files */
export const fontCss = (base) =>
  Object.entries(PACKAGES).flatMap(([name, weights]) => weights.map((weight) =>
    readFileSync(join(folder(name), `${weight}.css`), "utf8")
      .replaceAll("./files/", `${base}/fonts/${name}/`)
      .replaceAll("font-display: swap", "font-display: block"))).join("\n") +
  `@font-face { font-family: 'Noto Color Emoji'; font-display: block; src: url(${base}/fonts/${EMOJI}) format('woff2'); unicode-range: U+200d, U+20e3, U+2600-27bf, U+fe0f, U+1f000-1faff; }`;

/** What stands at `/fonts/<package>/<file>`; undefined for any other path. @param {string} path */
export function fontFile(path) {
  const found = /^\/fonts\/([a-z-]+)\/([\w-]+\.woff2)$/.exec(path);
  if (!found?.[1] || !found[2] || !Object.hasOwn(PACKAGES, found[1])) return undefined;
  return readFileSync(join(folder(found[1]), "files", found[2]));
}

/** Text that needs each file of the fonts that the samples need. */
const SPECIMEN = "Aä “…” 😀 ☑ مرحبا שלום";
/** Loads the fonts before anything is drawn with them. @param {import("playwright-core").Page} page */
export const loadFonts = (page) =>
  page.evaluate(async ([families, text]) => {
    for (const weight of [400, 600, 700]) await document.fonts.load(`${weight} 16px ${families}`, text);
    await document.fonts.load("400 16px 'Noto Sans Mono'", text);
  }, /** @type {const} */ ([FAMILIES, SPECIMEN]));
