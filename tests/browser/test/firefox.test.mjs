// @ts-check
// The widget in Firefox, where there is one: opened, spoken with, read again after a reload, and judged by axe-core.
// Driven by puppeteer over WebDriver BiDi, which works with the distributions' Firefox too.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import puppeteer from "puppeteer-core";
import { startStage } from "../support/stage.mjs";

const FIREFOX = [process.env["FIREFOX"], "/usr/bin/firefox-esr", "/usr/bin/firefox"].find((path) => path && existsSync(path));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Into the widget's shadow root. @param {string} selector */
const inside = (selector) => `portico-webchat >>> ${selector}`;

describe("Firefox", { skip: FIREFOX ? false : "no Firefox here (apt install firefox-esr, or FIREFOX=/path)", timeout: 120_000 }, () => {
  /** @type {import("../support/stage.mjs").Stage} */
  let stage;
  /** @type {import("puppeteer-core").Browser} */
  let browser;
  before(async () => {
    stage = await startStage();
    browser = await puppeteer.launch({ browser: "firefox", executablePath: /** @type {string} */ (FIREFOX), headless: true });
  });
  after(async () => {
    await browser?.close();
    await stage?.stop();
  });

  test("a visitor opens, asks, is answered, reloads, and finds it all again; axe-core has nothing to say", async () => {
    const page = await browser.newPage();
    await page.setViewport({ width: 1000, height: 800 });
    /** @type {string[]} */
    const complaints = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warn") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    /** @param {string} from */
    const texts = (from) => page.$$eval(inside(`li.pt-msg[data-from="${from}"] .pt-bubble`), (all) => all.map((one) => one.textContent));
    /** @param {() => Promise<boolean>} is @param {string} what */
    const until = async (is, what) => {
      for (const end = Date.now() + 20_000; !(await is()); await new Promise((go) => setTimeout(go, 50))) assert.ok(Date.now() < end, what);
    };
    // Not `waitForSelector`: it does not notice what changes in a shadow root.
    /** @param {string} selector */
    const there = (selector) => until(async () => (await page.$(inside(selector))) !== null, `no ${selector}`);
    const axe = async () => {
      await page.evaluate(AXE);
      return page.evaluate(async () => {
        const { violations } = await /** @type {any} */ (window).axe.run("portico-webchat", { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
        return violations.map((/** @type {any} */ one) => `${one.id}: ${one.nodes[0]?.html}`);
      });
    };

    await page.goto(stage.plain());
    await there(".pt-launcher");
    await page.locator(inside(".pt-launcher")).click();
    await there("textarea.pt-text");
    for (const [text, answers] of /** @type {const} */ ([["hello, fox", 1], ["markdown", 2], ["choice", 3]])) {
      await page.locator(inside("textarea.pt-text")).click();
      await page.keyboard.type(text);
      await page.keyboard.press("Enter");
      await until(async () => (await texts("bot")).length === answers, `no answer to ${text}`);
    }
    assert.deepEqual(await texts("user"), ["hello, fox", "markdown", "choice"]);
    assert.equal((await texts("bot"))[0], "hello, fox");
    await there(".pt-md table");
    assert.deepEqual(await axe(), [], "open");

    await page.reload();
    await until(async () => (await texts("user")).length === 3, "the history is back");
    assert.deepEqual(await texts("user"), ["hello, fox", "markdown", "choice"]);
    await there(".pt-md table");
    assert.deepEqual(await axe(), [], "after a reload");

    await page.locator(inside("textarea.pt-text")).click();
    await page.keyboard.press("Escape");
    await until(async () => page.$$eval(inside(".pt-panel"), (panels) => panels.every((panel) => !panel.checkVisibility())), "Escape closes");
    assert.deepEqual(await axe(), [], "closed");
    assert.deepEqual(complaints, []);
    await page.close();
  });
});
