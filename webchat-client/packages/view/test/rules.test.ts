// Rules that no compiler knows: what a strict content security policy, React, and right-to-left readers need.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const files = (folder: string, end: RegExp) => (readdirSync(`${root}${folder}`, { recursive: true }) as string[]).filter((file) => end.test(file)).map((file) => ({ file, text: readFileSync(`${root}${folder}/${file}`, "utf8") }));
const sources = [...files("view/src", /(?<!\.d)\.tsx?$/), ...files("embed/src", /(?<!\.d)\.ts$/)];
const sheets = files("view/src/theme/css", /\.css$/);

describe("the page's policy", () => {
  test.each([
    [/innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySetInnerHTML/, "a string of HTML"],
    [/\beval\(|new Function\(|setTimeout\("/, "text run as code"],
    [/createElement\("style"\)|<style\b|\bstyle=\{|\bstyle="/, "an inline style"],
    [/postMessage\([^)]*,\s*"\*"/, "a message to whoever listens"],
  ])("there is no %s", (pattern) => {
    for (const { file, text } of sources) {
      const code = text.replace(/\/\/.*$/gm, "").replace(/\/\*[\s\S]*?\*\//g, "");
      expect(pattern.exec(code)?.[0], file).toBeUndefined();
    }
  });
  test("no sheet fetches anything", () => {
    for (const { file, text } of sheets) expect(/url\(|@import|@font-face/.exec(text)?.[0], file).toBeUndefined();
  });
});

test("components keep to what Preact and React share", () => {
  for (const { file, text } of sources.filter(({ file }) => file.endsWith(".tsx"))) {
    expect(/\sclass=|\sfor=|\sonChange=\{[^}]*textarea|preact\/compat/.exec(text)?.[0], file).toBeUndefined();
  }
});

test("sheets name sides by the direction of the text", () => {
  const physical = /(?<![\w-])(margin|padding|border|inset)-(left|right|top|bottom)\b|(?<![\w-])(left|right|float)\s*:|(?<![\w-])(width|height|max-width|max-height|min-width|min-height)\s*:|text-align:\s*right|border-(top|bottom)-(left|right)-radius/;
  for (const { file, text } of sheets) {
    const rules = text.replace(/@media[^{]*\{/g, "").replace(/@keyframes[^}]*\}/g, "");
    expect(physical.exec(rules)?.[0], file).toBeUndefined();
  }
});
