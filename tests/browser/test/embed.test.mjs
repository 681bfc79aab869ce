// @ts-check
// The tag on pages of other people: hostile ones, strict ones, ones that swap their body, and ones without any care.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { html } from "../support/site.mjs";
import { channel, startStage } from "../support/stage.mjs";

/** @type {import("../support/stage.mjs").Stage} */
let stage;
before(async () => (stage = await startStage({ channels: (origins) => channel("dressed", origins, 'css = ".pt-bubble { letter-spacing: 1px }"') })));
after(() => stage?.stop());

/** What a style of the page may not have changed. @param {import("../support/visitor.mjs").Visitor} visitor */
const looks = (visitor) =>
  visitor.page.evaluate(() => {
    const root = document.querySelector("portico-webchat")?.shadowRoot;
    const of = (/** @type {string} */ selector, /** @type {string[]} */ names) => {
      const element = root?.querySelector(selector);
      if (!element) return `${selector} is not there`;
      const style = getComputedStyle(element);
      return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(name)]));
    };
    const text = ["color", "font-family", "font-size", "font-weight", "line-height", "letter-spacing", "text-transform", "direction", "text-align", "visibility", "opacity", "display", "word-spacing", "text-indent", "white-space", "cursor"];
    const box = root?.querySelector(".pt-panel")?.getBoundingClientRect();
    return {
      bubble: of(".pt-bubble", text), input: of("textarea", text), send: of(".pt-send", ["width", "height", "color", "display"]), header: of(".pt-header", text),
      box: box && [Math.round(box.width), Math.round(box.height), Math.round(innerWidth - box.right), Math.round(innerHeight - box.bottom)],
    };
  });

const HOSTILE_CSS = `
* { color: red !important; font-size: 40px !important; font-family: cursive !important; line-height: 3 !important; letter-spacing: 9px !important; text-transform: uppercase !important; box-sizing: content-box !important; display: block !important; float: left !important; position: static !important; }
body > * { display: none !important; visibility: hidden !important; opacity: 0.1 !important; width: 1px !important; max-height: 1px !important; z-index: -1 !important; transform: scale(0.2) !important; filter: blur(9px) !important; pointer-events: none !important; cursor: wait !important; direction: rtl !important; white-space: pre !important; word-spacing: 40px !important; text-indent: 99px !important; }
html, body { overflow: hidden; font: 99px serif; }
button, textarea, input { all: unset !important; background: yellow !important; }
`;

const POLLUTION = `
Array.prototype.extra = function () { return "polluted"; };
Object.prototype.polluted = "yes";
Array.prototype.toJSON = function () { return "old framework"; };
String.prototype.toJSON = function () { return "\\"old\\""; };
delete String.prototype.toJSON; delete Array.prototype.toJSON;
Array.prototype.first = function () { return this[0]; };
Element.prototype.hide = function () { this.style.display = "none"; };
window.$ = window.jQuery = function () { return { on() {}, ready() {} }; };
window.React = { version: "0.13", createElement() { throw new Error("not yours"); } };
window.Vue = function () {}; window.angular = {}; window.preact = 7; window._ = 1; window.h = null; window.render = "x"; window.define = function () { throw new Error("amd"); }; window.define.amd = true; window.exports = {}; window.module = { exports: {} }; window.require = function () { throw new Error("cjs"); };
window.process = { env: null }; window.global = 5; window.name = "a page";
window.onerror = function () { return true; };
document.addEventListener("keydown", (event) => { if (event.key === "s") event.preventDefault(); });
`;

describe("the tag", { timeout: 240_000 }, () => {
  test("a hostile page's styles and globals change nothing", async () => {
    const plain = await stage.visitor();
    await (await plain.go(stage.plain())).open();
    await plain.ask("text");
    await plain.settle();
    const wanted = await looks(plain);
    await plain.close();

    const visitor = await stage.visitor();
    const page = stage.site.put(html({ head: `<style>${HOSTILE_CSS}</style><script>${POLLUTION}</script>${stage.tag()}`, body: "<div id=app></div>" }));
    await (await visitor.go(page)).open();
    await visitor.ask("text");
    await visitor.settle();
    assert.deepEqual(await looks(visitor), wanted);
    await visitor.ask("carousel");
    await visitor.ask("markdown");
    await visitor.ask("form");
    // The page's own globals are as they were.
    assert.deepEqual(await visitor.page.evaluate(() => {
      const own = /** @type {any} */ (window);
      return [own.preact, own._, own.h, own.render, own.global, own.React.version, /** @type {any} */ ([]).extra()];
    }), [7, 1, null, "x", 5, "0.13", "polluted"]);
    assert.deepEqual(await visitor.page.evaluate(() => Object.keys(window).filter((key) => /portico|botpress/i.test(key))), ["portico"]);
    visitor.assertQuiet();
    await visitor.close();
  });

  for (const [name, nonce] of [["rows of the documentation", false], ["nonce and strict-dynamic", true]]) {
    test(`a page with default-src 'none', Trusted Types 'none' and the ${name} sees no violation`, async () => {
      const { gateway } = stage;
      const socket = gateway.url.replace("http", "ws");
      const policy = [
        "default-src 'none'", nonce ? "script-src 'nonce-abc123' 'strict-dynamic'" : `script-src ${gateway.url} 'nonce-probe'`,
        `connect-src ${gateway.url} ${socket}`, `img-src ${gateway.url} ${stage.site.url}`, `media-src ${gateway.url} ${stage.site.url}`,
        "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
      ].join("; ");
      const probe = `<script nonce="${nonce ? "abc123" : "probe"}">window.violations = []; document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.effectiveDirective + " " + event.blockedURI));</script>`;
      const tag = stage.tag("dressed").replace("<script", nonce ? '<script nonce="abc123"' : "<script");
      const page = stage.site.put({ html: html({ head: probe + tag }), headers: { "content-security-policy": policy } });
      const visitor = await stage.visitor();
      await (await visitor.go(page)).open();
      for (const kind of ["text", "markdown", "image", "audio", "video", "file", "location", "card", "carousel", "choice", "dropdown", "form", "bloc", "custom", "script"]) await visitor.ask(kind);
      await visitor.ask("tokens 50 2 5");
      await visitor.at.getByRole("button", { name: "More options" }).click();
      await visitor.at.getByRole("menuitem", { name: "Conversations" }).click();
      await visitor.at.getByRole("button", { name: "Back" }).click();
      await visitor.at.locator(".pt-media-open").first().click();
      await visitor.page.keyboard.press("Escape");
      await visitor.page.evaluate(() => /** @type {any} */ (window).portico.config({ theme: "dark", accent: "#b3261e" }));
      assert.equal(await visitor.at.locator(".pt-bubble").first().evaluate((bubble) => getComputedStyle(bubble).letterSpacing), "1px");
      await visitor.settle();
      assert.deepEqual(await visitor.page.evaluate(() => [/** @type {any} */ (window).violations, /** @type {any} */ (window).owned]), [[], undefined]);
      visitor.assertQuiet();
      await visitor.close();
    });
  }

  test("nothing is fetched from anybody but the gateway, and no address holds a token", async () => {
    const visitor = await stage.visitor();
    await (await visitor.go(stage.plain())).open();
    await visitor.ask("text");
    const token = await visitor.page.evaluate(() => Object.entries(localStorage).find(([key]) => key.endsWith(":token"))?.[1] ?? "");
    assert.match(token, /^.{20,}$/);
    for (const request of visitor.requests) {
      assert.ok(request.startsWith(stage.site.url) || request.startsWith(stage.gateway.url), request);
      assert.ok(!request.includes(token), "a token stands in an address");
    }
    assert.deepEqual((await visitor.context.cookies()), []);
    await visitor.close();
  });

  test("two tags make one chat", async () => {
    const visitor = await stage.visitor();
    await visitor.go(stage.site.put(html({ head: stage.tag() + stage.tag(), body: stage.tag() })));
    await visitor.open();
    await visitor.ask("hello");
    await visitor.page.waitForTimeout(500);
    assert.equal(await visitor.page.locator("portico-webchat").count(), 1);
    visitor.assertQuiet();
    await visitor.close();
  });

  test("a page that swaps its body keeps the chat, open and with what was said", async () => {
    const visitor = await stage.visitor();
    await (await visitor.go(stage.plain())).open();
    await visitor.ask("before the swap");
    await visitor.input.fill("a draft");
    await visitor.page.evaluate((tag) => {
      history.pushState({}, "", "/another-page");
      const body = document.createElement("body");
      body.textContent = "Another page";
      document.documentElement.replaceChild(body, document.body);
      // As frameworks do: scripts of the new page run again.
      const script = document.createElement("script");
      const written = /src="([^"]*)" data-channel="([^"]*)"/.exec(tag);
      script.src = written?.[1] ?? "";
      script.dataset["channel"] = written?.[2] ?? "";
      body.append(script);
    }, stage.tag());
    await visitor.panel.waitFor();
    await visitor.page.waitForTimeout(300);
    assert.equal(await visitor.page.locator("portico-webchat").count(), 1);
    assert.deepEqual(await visitor.ownTexts(), ["before the swap"]);
    assert.equal(await visitor.input.inputValue(), "a draft");
    await visitor.ask("after the swap");
    // And once more, emptied from within.
    await visitor.page.evaluate(() => document.body.replaceChildren("Emptied"));
    await visitor.panel.waitFor();
    assert.equal(await visitor.answers.count(), 2);
    visitor.assertQuiet();
    await visitor.close();
  });

  test("calls made before the chat is there are done in order once it is", async () => {
    const visitor = await stage.visitor();
    const early = `<script>addEventListener("DOMContentLoaded", () => {
      window.order = [];
      const wait = setInterval(() => { if (!window.portico) return; clearInterval(wait);
        portico.on("opened", () => order.push("opened")); portico.on("messageSent", (message) => order.push("sent " + message.body.text));
        portico.open(); portico.sendMessage("first"); portico.sendMessage("second"); portico.updateUser({ name: "Ana" }).then(() => order.push("user"));
      }, 1);
    });</script>`;
    await visitor.go(stage.plain("site", "", { head: early }));
    await visitor.answers.nth(1).waitFor();
    await visitor.page.waitForFunction(() => /** @type {any} */ (window).order.includes("user"));
    assert.deepEqual(await visitor.ownTexts(), ["first", "second"]);
    const order = await visitor.page.evaluate(() => /** @type {any} */ (window).order.filter((/** @type {string} */ one) => one !== "user"));
    assert.deepEqual(order, ["opened", "sent first", "sent second"]);
    assert.equal(await visitor.page.evaluate(async () => (await /** @type {any} */ (window).portico.getUser()).name), "Ana");
    visitor.assertQuiet();
    await visitor.close();
  });

  test("an element of the page can hold the chat, and a second instance stands beside it", async () => {
    const visitor = await stage.visitor();
    const page = stage.plain("site", 'data-target="#here"', { body: '<div id="here" style="height:500px;width:360px"></div><div id="there" style="height:500px;width:360px"></div>' });
    await visitor.go(page);
    const here = visitor.page.locator("#here");
    await here.getByRole("region", { name: "Chat with Tide & Timber" }).waitFor();
    assert.equal(await here.locator(".pt-launcher").count(), 0);
    await visitor.page.evaluate(() => /** @type {any} */ (window).portico.create({ channel: "site", target: "#there", botName: "Second" }).open());
    const there = visitor.page.locator("#there");
    await there.locator("textarea").fill("to the second");
    await there.locator("textarea").press("Enter");
    await there.locator('li.pt-msg[data-from="bot"]').waitFor();
    visitor.assertQuiet();
    await visitor.close();
  });

  test("a page that is not among the origins is told so, once", async () => {
    const visitor = await stage.visitor();
    // 127.0.0.1 is another origin than localhost, and not listed.
    await visitor.go(stage.plain().replace("localhost", "127.0.0.1"));
    // After three tries: a browser does not tell a refusal from a network that is away.
    const sentences = () => visitor.complaints.filter((line) => /portico: .* is http:\/\/127\.0\.0\.1:\d+ among the origins of channel "site"/.test(line)).length;
    await visitor.until(async () => sentences() > 0, "a sentence in the console", 40_000);
    assert.equal(sentences(), 1);
    assert.equal(await visitor.launcher.count(), 0);
    await visitor.close();
  });
});
