// @ts-check
// For everybody: right to left, on a phone, with the keyboard alone, with more contrast and without movement.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startStage } from "../support/stage.mjs";

/** @type {import("../support/stage.mjs").Stage} */
let stage;
before(async () => (stage = await startStage()));
after(() => stage?.stop());

const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

/** Waits until something has the focus. @param {import("../support/visitor.mjs").Visitor} visitor @param {string} what */
const focuses = async (visitor, what) => {
  let is = "";
  await visitor.until(async () => (is = await focused(visitor)) === what, `${what} has the focus`, 3000).catch(() => assert.equal(is, what));
};
/** Role and name of what has the focus, through shadow roots. @param {import("../support/visitor.mjs").Visitor} visitor */
const focused = (visitor) =>
  visitor.page.evaluate(() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return at ? `${at.getAttribute("role") ?? at.tagName.toLowerCase()} ${at.getAttribute("aria-label") ?? at.textContent?.trim() ?? ""}`.trim() : "";
  });

describe("right to left", { timeout: 120_000 }, () => {
  test("a page in Arabic has a chat in Arabic that is mirrored", async () => {
    const visitor = await stage.visitor({ locale: "ar" });
    await visitor.go(stage.plain("site", "", { lang: "ar", dir: "rtl" }));
    await visitor.open();
    await visitor.ask("arabic", 2);
    const where = await visitor.page.evaluate(() => {
      const root = document.querySelector("portico-webchat")?.shadowRoot;
      const box = (/** @type {string} */ selector) => root?.querySelector(selector)?.getBoundingClientRect().toJSON();
      const direction = (/** @type {string} */ selector) => getComputedStyle(/** @type {Element} */ (root?.querySelector(selector))).direction;
      const said = [...(root?.querySelectorAll('li[data-from="bot"] .pt-bubble [dir]') ?? [])].map((one) => getComputedStyle(one).direction);
      return { root: direction(".pt-root"), launcher: box(".pt-launcher"), panel: box(".pt-panel"), bot: box('li[data-from="bot"] .pt-bubble'), user: box('li[data-from="user"] .pt-bubble'), send: box(".pt-send"), text: box(".pt-text"), said };
    });
    assert.equal(where.root, "rtl");
    // The end of a line is on the left.
    assert.ok(where.launcher.x < 100 && where.panel.x < 100, JSON.stringify(where));
    assert.ok(where.bot.right > where.user.right - 1 && where.user.x < where.bot.x + 200, JSON.stringify(where));
    assert.ok(where.send.x < where.text.x, "the send button is at the end");
    // English between keeps its own direction.
    assert.ok(where.said.includes("rtl") && where.said.includes("ltr"), where.said.join());
    assert.equal(await visitor.input.getAttribute("aria-label"), await visitor.input.getAttribute("placeholder"));
    assert.match((await visitor.input.getAttribute("aria-label")) ?? "", /[\u0600-\u06ff]/);
    await visitor.ask("carousel");
    await visitor.settle();
    const sideways = await visitor.page.evaluate(() => {
      const log = document.querySelector("portico-webchat")?.shadowRoot?.querySelector(".pt-scroll");
      return log ? log.scrollWidth - log.clientWidth : -1;
    });
    assert.equal(sideways, 0, "the log does not scroll sideways");
    visitor.assertQuiet();
    await visitor.close();
  });
});

describe("a phone", { timeout: 120_000 }, () => {
  test("the panel fills the screen, keeps the page still, and gives way to the keyboard", async () => {
    const visitor = await stage.visitor(PHONE);
    await visitor.go(stage.plain("site", "", { body: '<div style="height:3000px">long</div>' }));
    await visitor.launcher.tap();
    await visitor.input.waitFor();
    await visitor.settle();
    assert.deepEqual(await visitor.panel.boundingBox(), { x: 0, y: 0, width: 360, height: 740 });
    assert.equal(await visitor.panel.getAttribute("aria-modal"), "true");
    assert.notEqual(await focused(visitor), "textarea Message Tide & Timber", "the keyboard does not jump up");
    assert.equal(await visitor.input.evaluate((input) => parseFloat(getComputedStyle(input).fontSize) >= 16), true);
    // The page behind stays where it is.
    await visitor.page.mouse.move(180, 300);
    await visitor.page.mouse.wheel(0, 600);
    await visitor.page.waitForTimeout(200);
    assert.equal(await visitor.page.evaluate(() => scrollY), 0);
    for (const kind of ["long", "card", "carousel", "choice", "markdown", "form"]) await visitor.ask(kind, kind === "long" ? 3 : 1);
    const [sideways, small] = await visitor.page.evaluate(() => {
      const root = document.querySelector("portico-webchat")?.shadowRoot;
      const log = root?.querySelector(".pt-scroll");
      const targets = [...(root?.querySelectorAll(".pt-panel button, .pt-panel a.pt-file, .pt-panel select, .pt-panel input:not([type=file]), .pt-panel textarea") ?? [])];
      return [
        log ? log.scrollWidth - log.clientWidth : -1,
        targets.filter((one) => one.getClientRects().length > 0).flatMap((one) => {
          const { width, height } = (one.closest("label") ?? one).getBoundingClientRect();
          return width < 24 || height < 24 ? [`${one.outerHTML.slice(0, 80)} ${width}x${height}`] : [];
        }),
      ];
    });
    assert.equal(sideways, 0, "nothing is wider than the screen");
    assert.deepEqual(small, [], "targets of at least 24 px");
    // The keyboard takes half of the screen: the visual viewport shrinks, and the composer stays above it.
    await visitor.page.evaluate(() => {
      const view = /** @type {VisualViewport} */ (window.visualViewport);
      Object.defineProperty(view, "height", { configurable: true, get: () => 400 });
      Object.defineProperty(view, "offsetTop", { configurable: true, get: () => 60 });
      view.dispatchEvent(new Event("resize"));
    });
    const panel = await visitor.panel.boundingBox();
    assert.deepEqual([panel?.y, panel?.height], [60, 400]);
    const input = await visitor.input.boundingBox();
    assert.ok(input && input.y + input.height <= 460, JSON.stringify(input));
    visitor.assertQuiet();
    await visitor.close();
  });

  test("the back button closes the panel and stays on the page", async () => {
    const visitor = await stage.visitor(PHONE);
    const url = stage.plain();
    await visitor.go(url);
    await visitor.launcher.tap();
    await visitor.panel.waitFor();
    await visitor.page.goBack({ waitUntil: "commit" }).catch(() => undefined);
    await visitor.panel.waitFor({ state: "hidden" });
    assert.equal(visitor.page.url(), url);
    await visitor.launcher.waitFor();
    visitor.assertQuiet();
    await visitor.close();
  });

  test("at 320 px, as with 200 % zoom, nothing is cut off sideways", async () => {
    const visitor = await stage.visitor({ viewport: { width: 320, height: 640 } });
    await (await visitor.go(stage.plain())).open();
    for (const kind of ["long", "card", "choice", "dropdown", "form", "file", "bloc"]) await visitor.ask(kind, kind === "long" ? 3 : 1);
    const wide = await visitor.page.evaluate(() => {
      const root = document.querySelector("portico-webchat")?.shadowRoot;
      return [...(root?.querySelectorAll(".pt-panel *") ?? [])].filter((one) => {
        const box = one.getBoundingClientRect();
        return box.width > 2 && (box.right > innerWidth + 1 || box.left < -1) && !one.closest(".pt-slides, pre, table, svg");
      }).map((one) => one.className.toString());
    });
    assert.deepEqual(wide, []);
    await visitor.close();
  });
});

describe("the keyboard alone", { timeout: 120_000 }, () => {
  test("opens, talks, chooses, looks back and closes, with the focus where one expects it", async () => {
    const visitor = await stage.visitor();
    const { page } = visitor;
    const { keyboard } = page;
    await visitor.go(stage.plain("site", "", { body: '<a href="#x">a link of the page</a>' }));
    await visitor.launcher.waitFor();
    await keyboard.press("Tab");
    await focuses(visitor, "a a link of the page");
    await keyboard.press("Tab");
    await focuses(visitor, "button Open chat with Tide & Timber");
    await keyboard.press("Enter");
    await visitor.input.waitFor();
    await focuses(visitor, "textarea Message Tide & Timber");
    await keyboard.type("first line");
    await keyboard.press("Shift+Enter");
    await keyboard.type("second line");
    await keyboard.press("Enter");
    await visitor.answers.first().waitFor();
    assert.equal((await visitor.ownTexts())[0], "first line\nsecond line");
    // Up brings back what was said; only into an empty field.
    await keyboard.press("ArrowUp");
    assert.equal(await visitor.input.inputValue(), "first line\nsecond line");
    await keyboard.press("ArrowDown");
    assert.equal(await visitor.input.inputValue(), "");
    await keyboard.type("choice");
    await keyboard.press("Enter");
    await visitor.answers.nth(1).waitFor();
    for (let i = 0; i < 12 && (await focused(visitor)) !== "button Two of us"; i++) await keyboard.press("Shift+Tab");
    await focuses(visitor, "button Two of us");
    await keyboard.press("Enter");
    await visitor.answers.nth(2).waitFor();
    assert.equal((await visitor.ownTexts()).at(-1), "Two of us");
    assert.notEqual(await focused(visitor), "body A shop", "the focus is not lost when the options end");
    // The menu, by its keys.
    await page.getByRole("button", { name: "More options" }).focus();
    await keyboard.press("Enter");
    await focuses(visitor, "menuitem Conversations");
    await keyboard.press("ArrowDown");
    await focuses(visitor, "menuitem New conversation");
    await keyboard.press("Escape");
    await focuses(visitor, "button More options");
    await visitor.panel.waitFor();
    // A carousel moves by the arrow keys.
    await visitor.input.focus();
    await keyboard.type("carousel");
    await keyboard.press("Enter");
    await page.getByText("1 of 3").waitFor();
    await page.getByRole("button", { name: "Next" }).focus();
    await keyboard.press("Enter");
    await page.getByText("2 of 3").waitFor();
    // A form that is wrong takes one to its fault.
    await visitor.input.focus();
    await keyboard.type("form");
    await keyboard.press("Enter");
    const submit = page.getByRole("button", { name: "Send it" });
    await submit.focus();
    await keyboard.press("Enter");
    await page.getByText("2 fields need your attention").waitFor();
    const invalid = page.locator('[aria-invalid="true"]');
    assert.equal(await invalid.count(), 2);
    for (const field of await invalid.all()) assert.ok(await field.getAttribute("aria-describedby"), "the error is tied to its field");
    // Escape closes, and the focus is back on the launcher.
    await visitor.input.focus();
    await keyboard.press("Escape");
    await visitor.panel.waitFor({ state: "hidden" });
    await focuses(visitor, "button Open chat with Tide & Timber");
    // No trap: Tab leaves the chat.
    await keyboard.press("Shift+Tab");
    await focuses(visitor, "a a link of the page");
    visitor.assertQuiet();
    await visitor.close();
  });

  test("on a phone's screen the focus stays inside while the panel is open", async () => {
    const visitor = await stage.visitor({ viewport: { width: 400, height: 740 } });
    await visitor.go(stage.plain("site", "", { body: '<a href="#x">a link of the page</a>' }));
    await visitor.launcher.focus();
    await visitor.page.keyboard.press("Enter");
    await visitor.input.waitFor();
    const seen = new Set();
    for (let i = 0; i < 14; i++) {
      await visitor.page.keyboard.press("Tab");
      seen.add(await focused(visitor));
    }
    assert.ok(seen.has("textarea Message Tide & Timber") && seen.has("button Close chat"), [...seen].join());
    assert.ok(!seen.has("a a link of the page"), "the focus left a modal panel");
    await visitor.close();
  });

  test("every control shows where the focus is", async () => {
    const visitor = await stage.visitor();
    await (await visitor.go(stage.plain())).open();
    await visitor.ask("card");
    await visitor.ask("choice");
    const bare = [];
    for (let i = 0; i < 16; i++) {
      await visitor.page.keyboard.press("Shift+Tab");
      const shown = await visitor.page.evaluate(() => {
        let at = document.activeElement;
        while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
        if (!at || !at.closest(".pt-root")) return "";
        const style = getComputedStyle(at);
        const around = getComputedStyle(at.closest(".pt-box") ?? at);
        return style.outlineStyle !== "none" || around.boxShadow !== "none" ? "" : at.outerHTML.slice(0, 90);
      });
      if (shown) bare.push(shown);
    }
    assert.deepEqual(bare, []);
    await visitor.close();
  });
});

describe("settings of the system", { timeout: 60_000 }, () => {
  test("nothing moves for who asked for less movement", async () => {
    const visitor = await stage.visitor({ reducedMotion: "reduce" });
    await (await visitor.go(stage.plain())).open();
    await visitor.ask("hello");
    const moving = await visitor.page.evaluate(() => {
      const root = document.querySelector("portico-webchat")?.shadowRoot;
      return [...(root?.querySelectorAll("*") ?? [])].filter((one) => {
        const { animationName, animationDuration, transitionDuration } = getComputedStyle(one);
        return (animationName !== "none" && parseFloat(animationDuration) > 0.05) || parseFloat(transitionDuration) > 0.05;
      }).map((one) => one.className.toString());
    });
    assert.deepEqual(moving, []);
    await visitor.close();
  });

  test("forced colours keep borders, focus and the state of a choice", async () => {
    const visitor = await stage.visitor({ forcedColors: "active" });
    await (await visitor.go(stage.plain())).open();
    await visitor.ask("choice");
    await visitor.at.getByRole("button", { name: "Just me" }).click();
    await visitor.answers.nth(1).waitFor();
    const borders = await visitor.page.evaluate(() => {
      const root = document.querySelector("portico-webchat")?.shadowRoot;
      return [".pt-panel", ".pt-bubble", ".pt-launcher"].map((selector) => getComputedStyle(/** @type {Element} */ (root?.querySelector(selector))).borderTopStyle);
    });
    assert.deepEqual(borders, ["solid", "solid", "solid"]);
    await visitor.close();
  });
});
