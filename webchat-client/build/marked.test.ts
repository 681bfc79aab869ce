// The markdown package made small reads every text as the package itself does.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Lexer } from "marked";
import { expect, test } from "vitest";
import { lexerOnly, OPTIONS } from "./marked.mjs";

const source = readFileSync(createRequire(import.meta.url).resolve("marked"), "utf8");
const small = async () => {
  const code = await lexerOnly(source);
  return (await import(/* @vite-ignore */ `data:text/javascript;base64,${Buffer.from(code).toString("base64")}`)) as { Lexer: new () => { lex(text: string): unknown } };
};

/** What `parse.ts` reads of a token, and of those in it. */
const READ = ["type", "raw", "text", "depth", "lang", "task", "checked", "href", "ordered", "start", "align"];
function seen(token: unknown): unknown {
  if (Array.isArray(token)) return token.map(seen);
  if (typeof token !== "object" || token === null) return token;
  const given = token as Record<string, unknown>;
  return Object.fromEntries([
    ...READ.map((name) => [name, given[name]]),
    ...["tokens", "items", "header", "rows"].map((name) => [name, seen(given[name])]),
  ]);
}

const WHOLE = [
  "# Title #\n\nSetext\n===\n\nText with **bold**, *italic*, ~~struck~~, `code`, ***both*** and snake_case_name.\nNew line\\\nhard",
  "- one\n- two\n  - inner\n    1. deep\n\n  after\n- [x] done\n- [ ] open\n\n3) three\n4) four",
  "> quote\n> > inner\n> - item\ncontinued\n\n***\n\n```js title\nconst a = 1;\n```\n\n    indented\n\n~~~\nopen fence",
  "| a | b |\n|:--|--:|\n| 1 | 2 \\| 3 |\n| **x** |\n\nnot | a table",
  "[a](https://x.example \"t\") ![i](<y z> 't') [ref] [text][ref] [none]\n\n[ref]: https://r.example (title)\n",
  "<https://auto.example> a@b.example www.shop.example https://long.example/a_(b)?c=d&e. mailto:x@y.example",
  "<div>\nblock\n</div>\n\n<!-- note --> <b>inline</b> <a href=x>https://in.example</a> <pre>*raw*</pre> &amp; &#42; &#x2a; &copy;",
  "1. a\n\n   b\n2. c\n\t- tab\n\n\n* * *\n_a_b_ __c__ **d*e** *f**g* ~h~ ~~i~ \\*no\\* `` a`b ``\r\nend",
];
const PARTS = ["a", "b c", "\n", "\n\n", "  ", "    ", "\t", "*", "**", "_", "__", "~", "~~", "`", "```", "```js\n", "[", "]", "(", ")", "[x](y)", "![", "[ref]", "\n[ref]: /u\n", "# ", "- ", "1. ", "2) ", "> ", "| ", "|-|-|\n", "---", "===", "\\", "<b>", "</b>", "<div>", "<!--", "-->", "&#65;", "&amp;", "https://x.example", "www.y.example/", "a@b.example", "\"t\"", "é", "漢", "😀", "!", ".", "[ ] ", "[x] ", "\r\n"];

test("whole documents and what is cut off from them", async () => {
  const Small = (await small()).Lexer;
  for (const text of WHOLE) {
    for (let end = 1; end <= text.length; end++) {
      const part = text.slice(0, end);
      expect(seen(new Small().lex(part)), JSON.stringify(part)).toEqual(seen(new Lexer({ ...OPTIONS }).lex(part)));
    }
  }
});

test("five thousand texts of random parts", async () => {
  const Small = (await small()).Lexer;
  let seed = 20_261_120;
  const next = (below: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let run = 0; run < 5000; run++) {
    const text = Array.from({ length: 1 + next(30) }, () => PARTS[next(PARTS.length)]).join("");
    expect(JSON.stringify(seen(new Small().lex(text))), JSON.stringify(text)).toBe(JSON.stringify(seen(new Lexer({ ...OPTIONS }).lex(text))));
  }
});

test("another shape of the package is told, not built", async () => {
  await expect(lexerOnly(source.replaceAll("this.options.pedantic", "this.options.other"))).rejects.toThrow("is not asked");
  await expect(lexerOnly("export{};")).rejects.toThrow("another shape than the pinned version");
});
