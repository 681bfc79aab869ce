// @ts-check
// `portico demo`: the example shop that somebody sees first. `PICTURE=1` also takes the README's picture anew.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT, startDemo } from "../support/gateway.mjs";
import { launchBrowser, OUT } from "../support/stage.mjs";
import { Visitor } from "../support/visitor.mjs";

/** @type {Awaited<ReturnType<typeof startDemo>>} */
let demo;
/** @type {import("playwright-core").Browser} */
let browser;
before(async () => {
  demo = await startDemo();
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** @param {import("playwright-core").BrowserContextOptions} options */
async function visit(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, locale: "en-GB", ...options });
  context.setDefaultTimeout(20_000);
  const visitor = new Visitor(await context.newPage());
  return visitor.go(demo.url);
}

describe("the demo", { timeout: 180_000 }, () => {
  test("a card and a choice stand beside the journal, as in the README's picture", async () => {
    const visitor = await visit();
    await visitor.open();
    await visitor.page.evaluate(() => /** @type {any} */ (window).portico.config({ height: "745px" }));
    await visitor.ask("card");
    await visitor.ask("choice");
    await visitor.page.locator("#journal li").nth(4).waitFor();
    await visitor.settle();
    await visitor.page.evaluate(() => /** @type {any} */ (document.activeElement)?.blur());
    await visitor.settle();
    // Times and ids differ each time, so the picture in the repository is exchanged only when somebody asks for it.
    const kept = join(ROOT, "webchat-client/webchat.png");
    const path = process.env["PICTURE"] || !existsSync(kept) ? kept : join(OUT, "demo.png");
    await visitor.page.screenshot({ path, animations: "disabled", caret: "hide" });
    visitor.assertQuiet();
    await visitor.close();
  });

  test("each button of the shop brings the message it names, and the journal shows both ways", async () => {
    const visitor = await visit();
    await visitor.page.getByRole("button", { name: "Say hello" }).click();
    await visitor.answers.first().waitFor();
    assert.deepEqual(await visitor.answerTexts(), ["hello"]);
    const marks = {
      text: ".pt-bubble a[href]", markdown: ".pt-md table", image: ".pt-media img", audio: "audio", video: "video", file: "a.pt-file", location: "a.pt-file",
      card: "article.pt-card", carousel: ".pt-carousel", choice: ".pt-choices", dropdown: "select", bloc: ".pt-group", stream: ".pt-md strong",
    };
    for (const [kind, mark] of Object.entries(marks)) {
      const before = await visitor.answers.count();
      await visitor.page.locator(`[data-say="${kind}"]`).click();
      await visitor.answers.nth(before).locator(mark).first().waitFor();
    }
    const journal = visitor.page.locator("#journal li");
    await journal.nth(20).waitFor();
    assert.match(await visitor.page.locator("#journal").innerText(), /site → bot[\s\S]*bot → site|bot → site[\s\S]*site → bot/);
    visitor.assertQuiet();
    await visitor.close();
  });

  test("a choice is answered once, and the bot hears the label", async () => {
    const visitor = await visit();
    await visitor.open();
    await visitor.ask("choice");
    await visitor.at.getByRole("button", { name: "Two of us" }).click();
    await visitor.answers.nth(1).waitFor();
    assert.equal((await visitor.ownTexts()).at(-1), "Two of us");
    assert.equal(await visitor.at.getByRole("button", { name: "Two of us" }).getAttribute("aria-pressed"), "true");
    await visitor.close();
  });
});
