// @ts-check
// Every state against the rules of axe-core, WCAG 2.0 to 2.2 A and AA and best practice, light and dark, both directions.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { html } from "../support/site.mjs";
import { channel, startStage } from "../support/stage.mjs";
import { startWire } from "../support/wire.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"];

/** @type {import("../support/stage.mjs").Stage} */
let stage;
/** @type {Awaited<ReturnType<typeof startWire>>} */
let wire;
before(async () => {
  stage = await startStage({
    channels: (origins) => channel("full", origins, `
deletion = true
show_info = true
feedback = "thumbs"
description = "We build canoes"
footer = "Answers may be wrong"
info = { website = "https://example.com", phone = "+47 22 00 00 00", email = "mail@example.com", privacy = { title = "How we keep your data", link = "https://example.com/privacy" } }`)
      + channel("asks", origins, 'pre_chat = { title = "Who are you?", text = "So that we can answer.", fields = [{ name = "name", label = "Name", required = true }, { name = "email", label = "Email", kind = "email", required = true }, { name = "kind", label = "About", kind = "select", options = [{ label = "A canoe", value = "canoe" }, { label = "A paddle", value = "paddle" }] }, { name = "news", label = "Newsletter", kind = "checkbox" }] }')
      + channel("offers", origins, 'proactive = { text = "Can we help you?", delay_ms = 50 }'),
  });
  wire = await startWire(stage.gateway.port);
});
after(async () => {
  await wire?.stop();
  await stage?.stop();
});

/** @param {import("../support/visitor.mjs").Visitor} visitor @param {string} state @param {string[]} [except] rules that are for others */
async function check(visitor, state, except = []) {
  await visitor.settle();
  await visitor.at.evaluate((script) => (/** @type {any} */ (window).axe ? undefined : (0, eval)(script)), AXE);
  const found = await visitor.at.evaluate(async ([tags, off]) => {
    const rules = Object.fromEntries((off ?? []).map((id) => [id, { enabled: false }]));
    const { violations } = await /** @type {any} */ (window).axe.run(document, { runOnly: { type: "tag", values: tags }, rules });
    return violations.map((/** @type {any} */ one) => `${one.id} (${one.impact}): ${one.nodes.map((/** @type {any} */ node) => `${node.target.flat().join(" ")} ${node.any[0]?.message ?? node.html}`).slice(0, 4).join(" | ")}`);
  }, [TAGS, except]);
  assert.deepEqual(found, [], state);
}

const KINDS = ["text", "long", "markdown", "image", "broken", "audio", "video", "file", "location", "card", "carousel", "choice", "dropdown", "form", "bloc", "custom", "script"];

for (const theme of /** @type {const} */ (["light", "dark"])) {
  for (const [lang, dir] of [["en", "ltr"], ["ar", "rtl"]]) {
    describe(`axe, ${theme}, ${dir}`, { timeout: 240_000 }, () => {
      /** @param {string} id @param {string} [base] */
      const visit = async (id, base) => {
        const visitor = await stage.visitor({ colorScheme: theme, locale: lang ?? "en" });
        const page = html({ lang, dir, head: `<meta name="color-scheme" content="light dark"><style>body{background:Canvas;color:CanvasText}</style>${stage.tag(id, "", base)}` });
        await visitor.go(stage.site.put(page));
        await visitor.launcher.waitFor();
        return visitor;
      };

      test("closed, with an invitation, and with something unread", async () => {
        const visitor = await visit("site");
        await check(visitor, "closed");
        await visitor.open();
        await visitor.ask("hello");
        const conversation = await visitor.conversation();
        await visitor.page.evaluate(() => /** @type {any} */ (window).portico.close());
        await stage.bot.say(conversation, "text", { text: "Still there?" });
        await visitor.at.locator(".pt-badge").waitFor();
        await check(visitor, "unread");
        await visitor.close();
        const offered = await visit("offers");
        await offered.at.locator(".pt-proactive").waitFor();
        await check(offered, "invitation");
        await offered.close();
      });

      test("open and empty, with every message, with an answer given, with a picture enlarged", async () => {
        const visitor = await visit("full");
        await visitor.open();
        await check(visitor, "open, empty");
        for (const kind of KINDS) await visitor.ask(kind, kind === "long" ? 3 : 1);
        await visitor.ask("arabic", 2);
        // All of it at once: what is out of sight is not drawn, and axe would not see it.
        await visitor.page.evaluate(() => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(".pt-msg { content-visibility: visible !important }");
          const root = document.querySelector("portico-webchat")?.shadowRoot;
          if (root) root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
        });
        await check(visitor, "every message");
        await visitor.at.locator(".pt-choice").first().click();
        await visitor.answers.nth(KINDS.length + 4).waitFor();
        await check(visitor, "a choice answered");
        await visitor.at.locator(".pt-form button[type=submit], .pt-form .pt-button-main").first().click();
        await visitor.at.locator(".pt-errors").waitFor();
        await check(visitor, "a form with faults");
        await visitor.at.locator(".pt-media-open").first().click();
        await visitor.at.locator(".pt-lightbox img").waitFor();
        await check(visitor, "a picture enlarged");
        await visitor.close();
      });

      test("the menu, the list of conversations, the question before deletion, the page about the chat", async () => {
        const visitor = await visit("full");
        await visitor.open();
        await visitor.ask("hello");
        const menu = visitor.at.locator("button[aria-haspopup=menu]");
        await menu.click();
        await check(visitor, "menu");
        const items = visitor.at.getByRole("menuitem");
        await items.first().click();
        await visitor.at.locator(".pt-row").first().waitFor();
        await check(visitor, "conversations");
        await visitor.at.locator(".pt-row-wrap .pt-iconbutton").first().click();
        await check(visitor, "asked before deletion");
        await visitor.at.locator(".pt-header .pt-iconbutton").first().click();
        await menu.click();
        await items.last().click();
        await visitor.at.locator(".pt-info-head").waitFor();
        await check(visitor, "about the chat");
        await visitor.close();
      });

      test("a text too long, files to be sent, a message on its way, and the banner of a lost connection", async () => {
        const visitor = await visit("site", wire.url);
        await visitor.open();
        await visitor.ask("hello");
        await visitor.input.fill("x".repeat(4100));
        await visitor.at.locator(".pt-notice").waitFor();
        await check(visitor, "too long");
        await visitor.input.fill("");
        await visitor.at.locator("input[type=file]").setInputFiles([{ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("hello") }]);
        await visitor.at.locator(".pt-tray li").waitFor();
        await check(visitor, "a file chosen");
        await visitor.at.locator(".pt-tray .pt-iconbutton").click();
        wire.cut();
        await visitor.say("said to nobody");
        await visitor.at.locator(".pt-banner").waitFor();
        await check(visitor, "offline");
        wire.mend();
        await visitor.close();
      });

      test("the form before the first message, and its faults", async () => {
        const visitor = await visit("asks");
        await visitor.launcher.click();
        await visitor.at.locator(".pt-form").waitFor();
        await check(visitor, "form");
        await visitor.at.locator(".pt-page .pt-button-main").click();
        await visitor.at.locator(".pt-error").first().waitFor();
        await check(visitor, "form with faults");
        await visitor.close();
      });

      test("an answer that streams", async () => {
        const visitor = await visit("site");
        await visitor.open();
        await visitor.say("tokens 400 20");
        await visitor.at.locator(".pt-caret").waitFor();
        await check(visitor, "streaming");
        await visitor.close();
      });
    });
  }
}

describe("axe, elsewhere", { timeout: 120_000 }, () => {
  test("on a phone, in a frame, and on the gateway's own page", async () => {
    const phone = await stage.visitor({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await (await phone.go(stage.plain())).open();
    for (const kind of ["card", "choice", "carousel", "form"]) await phone.ask(kind);
    await check(phone, "phone");
    await phone.close();

    const hosted = await stage.visitor({ bypassCSP: true });
    await hosted.go(`${stage.gateway.url}/webchat/v1/chat/site`);
    await hosted.input.waitFor();
    await hosted.ask("choice");
    await check(hosted, "hosted page");
    await hosted.close();

    const framed = await stage.visitor({ bypassCSP: true });
    await framed.go(stage.plain("site", 'data-mode="iframe"'));
    const frame = await (await framed.page.locator("iframe").elementHandle())?.contentFrame();
    assert.ok(frame);
    framed.at = frame;
    await framed.open();
    await framed.ask("choice");
    // Main part and first heading are those of the page around it.
    await check(framed, "in the frame", ["landmark-one-main", "page-has-heading-one"]);
    framed.at = framed.page;
    await framed.close();
  });
});
