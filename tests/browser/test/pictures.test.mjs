// @ts-check
// Pictures of every message and state into `out/`, for the eye: desktop and phone, light and dark. What a machine can
// see of them is tested: nothing is blank, nothing overflows, nothing shifts while pictures load.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { KINDS } from "../support/samples.mjs";
import { html } from "../support/site.mjs";
import { channel, OUT, startStage } from "../support/stage.mjs";

/** @type {import("../support/stage.mjs").Stage} */
let stage;
before(async () => (stage = await startStage({
  channels: (origins) => channel("rich", origins, 'description = "We build canoes"\nfeedback = "thumbs"\nshow_info = true\nfooter = "Answers may be wrong"\ninfo = { website = "https://example.com", email = "mail@example.com" }'),
})));
after(() => stage?.stop());

const COUNTS = /** @type {Record<string, number>} */ ({ long: 3, arabic: 2 });
const PLACES = {
  desktop: { viewport: { width: 460, height: 780 } },
  phone: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
};

for (const [place, options] of Object.entries(PLACES)) {
  for (const theme of /** @type {const} */ (["light", "dark"])) {
    test(`every message, ${place}, ${theme}`, { timeout: 180_000 }, async () => {
      const visitor = await stage.visitor({ ...options, colorScheme: theme, reducedMotion: "reduce", timezoneId: "UTC" });
      const page = html({ head: `<meta name="color-scheme" content="light dark"><style>body{font-family:sans-serif;background:light-dark(#dfe6ee,#0b0d12)}</style>${stage.tag("rich")}` });
      await (await visitor.go(stage.site.put(page))).open();
      const shoot = (/** @type {string} */ name) => visitor.page.screenshot({ path: join(OUT, `${name}-${place}-${theme}.png`), animations: "disabled", caret: "hide" });
      await visitor.settle();
      await shoot("empty");
      for (const kind of KINDS) {
        const first = await visitor.ask(kind, COUNTS[kind] ?? 1);
        await visitor.settle();
        await first.evaluate((row) => row.previousElementSibling?.scrollIntoView({ block: "start" }));
        await visitor.page.waitForTimeout(150);
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
      await visitor.at.locator(".pt-choice").first().click();
      await visitor.settle();
      await shoot("choice-answered");
      await visitor.at.locator(".pt-form .pt-button-main").first().click();
      await visitor.at.locator(".pt-errors").waitFor();
      await visitor.at.locator(".pt-errors").evaluate((box) => box.scrollIntoView({ block: "start" }));
      await visitor.settle();
      await shoot("form-faults");
      await visitor.at.locator("button[aria-haspopup=menu]").click();
      await visitor.settle();
      await shoot("menu");
      await visitor.at.getByRole("menuitem", { name: "Conversations" }).click();
      await visitor.at.locator(".pt-row").first().waitFor();
      await visitor.settle();
      await shoot("conversations");
      await visitor.at.getByRole("button", { name: "Back" }).click();
      await visitor.at.locator("button[aria-haspopup=menu]").click();
      await visitor.at.getByRole("menuitem", { name: "About this chat" }).click();
      await visitor.settle();
      await shoot("about");
      assert.equal(await visitor.page.evaluate(() => /** @type {any} */ (window).owned), undefined, "nothing of a message runs");
      await visitor.close();
    });
  }
}

test("an Arabic page, mirrored", { timeout: 60_000 }, async () => {
  for (const theme of /** @type {const} */ (["light", "dark"])) {
    const visitor = await stage.visitor({ ...PLACES.desktop, colorScheme: theme, locale: "ar", reducedMotion: "reduce" });
    await (await visitor.go(stage.plain("rich", "", { lang: "ar", dir: "rtl" }))).open();
    for (const kind of ["arabic", "choice", "carousel"]) await visitor.ask(kind, COUNTS[kind] ?? 1);
    await visitor.settle();
    await visitor.page.screenshot({ path: join(OUT, `arabic-page-${theme}.png`), animations: "disabled", caret: "hide" });
    await visitor.close();
  }
});

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
