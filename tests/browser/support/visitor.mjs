// @ts-check
// A visitor in front of a page: finds things as people do, by role and name, and keeps what the browser complained about.
import assert from "node:assert/strict";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").Frame} Frame */

export class Visitor {
  /** @type {string[]} */
  complaints = [];
  /** @type {string[]} */
  requests = [];
  /** Where the chat is: the page, or a frame in it. @type {Page | Frame} */
  at;

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.at = page;
    this.context = page.context();
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") this.complaints.push(`${message.type()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.complaints.push(`exception: ${error.message}`));
    page.on("request", (request) => this.requests.push(request.url()));
  }

  /** @param {string} url @param {Parameters<Page["goto"]>[1]} [options] */
  async go(url, options) {
    await this.page.goto(url, options);
    return this;
  }
  get launcher() {
    return this.at.locator(".pt-launcher");
  }
  get panel() {
    return this.at.locator(".pt-panel");
  }
  get input() {
    return this.at.locator("textarea.pt-text");
  }
  get log() {
    return this.at.getByRole("log");
  }
  get messages() {
    return this.at.locator("li.pt-msg");
  }
  /** What the bot has said. */
  get answers() {
    return this.at.locator('li.pt-msg[data-from="bot"]');
  }
  get own() {
    return this.at.locator('li.pt-msg[data-from="user"]');
  }
  async open() {
    await this.launcher.click();
    await this.input.waitFor();
    return this;
  }
  /** @param {string} text */
  async say(text) {
    await this.input.fill(text);
    await this.input.press("Enter");
  }
  /**
   * Says something and waits for the next answer.
   * @param {string} text @param {number} [answers] how many messages come
   */
  async ask(text, answers = 1) {
    const before = await this.answers.count();
    await this.say(text);
    await this.answers.nth(before + answers - 1).waitFor();
    return this.answers.nth(before);
  }
  /** Texts of the own messages, in the order shown. @returns {Promise<string[]>} */
  ownTexts() {
    return this.at.locator('li.pt-msg[data-from="user"] .pt-bubble').allTextContents();
  }
  /** @returns {Promise<string[]>} */
  answerTexts() {
    return this.at.locator('li.pt-msg[data-from="bot"] .pt-bubble').allTextContents();
  }
  /** Waits until something is true of the page. @param {() => Promise<boolean>} is @param {string} what @param {number} [ms] */
  async until(is, what, ms = 20_000) {
    for (const end = Date.now() + ms; ; ) {
      if (await is()) return;
      if (Date.now() > end) assert.fail(`${what}: not within ${ms} ms`);
      await new Promise((go) => setTimeout(go, 50));
    }
  }
  /** The conversation behind the chat. @returns {Promise<string>} */
  async conversation() {
    await this.page.waitForFunction(() => /** @type {any} */ (window).portico?.conversationId);
    return this.page.evaluate(() => /** @type {any} */ (window).portico.conversationId);
  }
  /** Waits until nothing moves, and pictures are there: those that come, since one that left the page never does. */
  async settle() {
    await this.page.evaluate(async () => {
      const root = document.querySelector("portico-webchat")?.shadowRoot;
      const pictures = [...(root?.querySelectorAll("img") ?? [])].map((one) => (one.complete ? 0 : new Promise((go) => (one.onload = one.onerror = go))));
      await Promise.race([Promise.all([document.fonts.ready, ...pictures]), new Promise((go) => setTimeout(go, 3000))]);
      await new Promise((go) => setTimeout(go, 350));
    });
  }
  /** Nothing was complained about, but what a test expects. @param {RegExp} [except] */
  assertQuiet(except) {
    assert.deepEqual(this.complaints.filter((line) => !except?.test(line)), []);
  }
  close() {
    return this.context.close();
  }
}
