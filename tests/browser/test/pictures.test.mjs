// @ts-check
// Every message and state, held against pictures that are checked in: desktop and phone, light and dark, and the pages of
// languages that run from right to left. Beside that: nothing is blank, nothing overflows, nothing shifts.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CODE_CSS, FAMILIES, fontCss, loadFonts } from "../support/fonts.mjs";
import { Pictures } from "../support/pictures.mjs";
import { KINDS } from "../support/samples.mjs";
import { html } from "../support/site.mjs";
import { channel, startStage } from "../support/stage.mjs";

/** @type {import("../support/stage.mjs").Stage} */
let stage;
/** @type {Pictures} */
let pictures;
before(async () => {
  stage = await startStage({
    channels: (origins) => channel("rich", origins, `description = "We build canoes"
feedback = "thumbs"
show_info = true
footer = "Answers may be wrong"
font = ${JSON.stringify(FAMILIES)}
css = ${JSON.stringify(CODE_CSS)}
info = { website = "https://example.com", email = "mail@example.com" }`),
  });
  pictures = new Pictures(stage.browser);
});
after(() => stage?.stop());

const COUNTS = /** @type {Record<string, number>} */ ({ long: 3, arabic: 2, hebrew: 2 });
const PLACES = {
  desktop: { viewport: { width: 500, height: 740 } },
  phone: { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
};
/** A zone in which it is about noon, so that "today" does not end in the middle of a test. */
function noonZone() {
  const ahead = 12 - new Date().getUTCHours();
  return ahead === 0 ? "UTC" : `Etc/GMT${ahead > 0 ? "-" : "+"}${Math.abs(ahead)}`;
}

/**
 * Somebody whose clock always shows the same hour, on a page with the fonts of the tests, with the panel open.
 * @param {keyof typeof PLACES} place @param {"light" | "dark"} theme @param {string} lang @param {string} [dir]
 */
async function visit(place, theme, lang, dir = "ltr") {
  const visitor = await stage.visitor({ ...PLACES[place], deviceScaleFactor: 1, colorScheme: theme, reducedMotion: "reduce", timezoneId: noonZone(), locale: lang === "en" ? "en-US" : lang });
  await visitor.page.addInitScript(() => {
    const real = /** @type {PropertyDescriptor & { get(): (at: number) => string }} */ (Object.getOwnPropertyDescriptor(Intl.DateTimeFormat.prototype, "format"));
    Object.defineProperty(Intl.DateTimeFormat.prototype, "format", {
      ...real,
      get() {
        const format = real.get.call(this);
        return () => format(new Date(2026, 0, 15, 10, 24).getTime());
      },
    });
  });
  const head = `<meta name="color-scheme" content="light dark"><style>${fontCss(stage.site.url)}
body{font-family:${FAMILIES};background:light-dark(#dfe6ee,#0b0d12)}</style>${stage.tag("rich")}`;
  await visitor.go(stage.site.put(html({ head, lang, dir })));
  await loadFonts(visitor.page);
  await visitor.open();
  await visitor.page.mouse.move(1, 1);
  return {
    visitor,
    /** @param {string} name */
    async shoot(name) {
      await visitor.settle();
      // The browser's own controls are drawn with a font of the machine.
      await pictures.look(visitor.page, `${name}-${place}-${theme}`, [visitor.at.locator("audio, video")]);
    },
    /** A conversation with one question and its answer, from the question on. @param {string} kind */
    async askAnew(kind) {
      await visitor.page.evaluate(() => /** @type {any} */ (window).portico.newConversation());
      await visitor.until(async () => (await visitor.messages.count()) === 0, "the conversation begins anew");
      const first = await visitor.ask(kind, COUNTS[kind] ?? 1);
      await visitor.settle();
      await first.evaluate((row) => row.previousElementSibling?.scrollIntoView({ block: "start" }));
      return first;
    },
  };
}

for (const place of /** @type {const} */ (["desktop", "phone"])) {
  for (const theme of /** @type {const} */ (["light", "dark"])) {
    test(`every message and state, ${place}, ${theme}`, { timeout: 240_000 }, async () => {
      const { visitor, shoot, askAnew } = await visit(place, theme, "en");
      await shoot("empty");
      for (const kind of KINDS) {
        const first = await askAnew(kind);
        await shoot(`message-${kind}`);
        const faults = await first.evaluate((row) => {
          const box = row.getBoundingClientRect();
          const out = [...row.querySelectorAll("*")].filter((one) => {
            const at = one.getBoundingClientRect();
            return at.width > 2 && (at.right > box.right + 17 || at.left < box.left - 1) && !one.closest(".pt-slides, pre, .pt-md-table, svg, .pt-sr");
          });
          return { blank: box.height < 20, out: out.map((one) => one.outerHTML.slice(0, 80)) };
        });
        assert.deepEqual(faults, { blank: false, out: [] }, kind);
      }
      await askAnew("choice");
      await visitor.at.locator(".pt-choice").first().click();
      await visitor.answers.nth(1).waitFor();
      await visitor.page.mouse.move(1, 1);
      await shoot("choice-answered");
      await askAnew("form");
      await visitor.at.locator(".pt-form .pt-button-main").first().click();
      await visitor.at.locator(".pt-errors").waitFor();
      await visitor.page.mouse.move(1, 1);
      await visitor.at.locator(".pt-errors").evaluate((box) => box.scrollIntoView({ block: "start" }));
      await shoot("form-faults");
      await askAnew("text");
      await visitor.at.locator("button[aria-haspopup=menu]").click();
      await visitor.page.mouse.move(1, 1);
      await shoot("menu");
      await visitor.at.getByRole("menuitem", { name: "Conversations" }).click();
      await visitor.until(async () => (await visitor.at.locator(".pt-row").count()) > KINDS.length, "the list is whole");
      await visitor.page.mouse.move(1, 1);
      await shoot("conversations");
      await visitor.at.getByRole("button", { name: "Back" }).click();
      await visitor.at.locator("button[aria-haspopup=menu]").click();
      await visitor.at.getByRole("menuitem", { name: "About this chat" }).click();
      await visitor.page.mouse.move(1, 1);
      await shoot("about");
      assert.equal(await visitor.page.evaluate(() => /** @type {any} */ (window).owned), undefined, "nothing of a message runs");
      await visitor.close();
      pictures.done();
    });
  }
}

for (const [lang, kinds] of /** @type {const} */ ([["ar", ["arabic", "choice", "carousel", "form"]], ["he", ["hebrew", "dropdown", "card", "file"]]])) {
  test(`a page in ${lang}, mirrored`, { timeout: 120_000 }, async () => {
    for (const theme of /** @type {const} */ (["light", "dark"])) {
      const { visitor, shoot, askAnew } = await visit("desktop", theme, lang, "rtl");
      for (const kind of kinds) {
        await askAnew(kind);
        await shoot(`${lang}-${kind}`);
      }
      await visitor.close();
    }
    pictures.done();
  });
}

test("every picture that is checked in was looked at", () => pictures.noneLeft());

test("what is below a picture does not move when it arrives", { timeout: 60_000 }, async () => {
  const visitor = await stage.visitor();
  await (await visitor.go(stage.plain())).open();
  /** @type {() => void} */
  let let_go = () => undefined;
  const waiting = new Promise((go) => (let_go = () => go(undefined)));
  await visitor.page.route("**/lake.png", async (route) => {
    await waiting;
    await route.continue();
  });
  await visitor.ask("image");
  const box = visitor.at.locator(".pt-media").first();
  await visitor.page.waitForTimeout(400);
  const before = await box.boundingBox();
  let_go();
  await visitor.settle();
  const after = await box.boundingBox();
  assert.deepEqual([before?.height, before?.y], [after?.height, after?.y]);
  await visitor.close();
});

describe("in hidden places", { timeout: 60_000 }, () => {
  test("a renderer of the page's own replaces a type, and one that throws does no harm", async () => {
    const visitor = await stage.visitor();
    const manual = `<script>addEventListener("load", () => { const wait = setInterval(() => { if (!window.portico) return; clearInterval(wait);
      portico.init({ renderers: { chart: () => { throw new Error("broken renderer"); } } }).then(() => portico.open()); }, 5); });</script>`;
    await visitor.go(stage.plain("site", "data-manual", { head: manual }));
    await visitor.input.waitFor();
    await visitor.ask("custom");
    await visitor.ask("text");
    assert.ok(((await visitor.answers.first().textContent()) ?? "").includes("can't be shown"));
    await visitor.close();
  });
});
