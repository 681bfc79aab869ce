// @ts-check
// What is said arrives, once and in order: without a network, in several tabs, after a reload, after the gateway died.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { html } from "../support/site.mjs";
import { ARGUMENTS, EXECUTABLE, startStage } from "../support/stage.mjs";
import { Visitor } from "../support/visitor.mjs";
import { startWire } from "../support/wire.mjs";

/** @type {import("../support/stage.mjs").Stage} */
let stage;
/** @type {Awaited<ReturnType<typeof startWire>>} */
let wire;
before(async () => {
  stage = await startStage();
  wire = await startWire(stage.gateway.port);
});
after(async () => {
  await wire?.stop();
  await stage?.stop();
});

const wired = () => stage.site.put(html({ head: stage.tag("site", "", wire.url) }));
/** Complaints of the browser about a network that is not there. */
const NETWORK = /WebSocket|ERR_|Failed to load resource/;
/** @param {import("../support/visitor.mjs").Visitor} visitor @param {string} name */
const property = (visitor, name) => visitor.page.evaluate((key) => /** @type {any} */ (window).portico[key], name);

describe("a conversation", { timeout: 300_000 }, () => {
  test("what is said offline waits, says so, and is sent once the network is back", async () => {
    const visitor = await stage.visitor();
    await (await visitor.go(wired())).open();
    await visitor.ask("online");
    await visitor.context.setOffline(true);
    wire.cut();
    await visitor.say("said offline");
    await visitor.say("and this too");
    await visitor.own.getByText("Sending").first().waitFor();
    await visitor.at.getByText("You are offline. Messages are sent when you are back.").first().waitFor();
    assert.equal(await visitor.answers.count(), 1);
    wire.mend();
    await visitor.context.setOffline(false);
    await visitor.answers.nth(2).waitFor();
    assert.deepEqual(await visitor.ownTexts(), ["online", "said offline", "and this too"]);
    assert.deepEqual(await visitor.answerTexts(), ["online", "said offline", "and this too"]);
    assert.equal(await visitor.own.getByText("Sending").count(), 0);
    await visitor.at.locator(".pt-banner").waitFor({ state: "detached" });
    visitor.assertQuiet(NETWORK);
    await visitor.close();
  });

  test("what is said offline survives a reload of the page", async () => {
    const visitor = await stage.visitor();
    await (await visitor.go(wired())).open();
    await visitor.ask("online");
    wire.cut();
    await visitor.say("said without a network");
    await visitor.own.getByText("Sending").waitFor();
    await visitor.page.close();
    wire.mend();
    const again = new Visitor(await visitor.context.newPage());
    await again.go(wired());
    await again.answers.nth(1).waitFor();
    assert.deepEqual(await again.ownTexts(), ["online", "said without a network"]);
    assert.deepEqual(stage.bot.heard().filter((text) => text === "said without a network").length, 1);
    await again.close();
  });

  test("how far the own words got is known again after a reload", async () => {
    const visitor = await stage.visitor();
    await (await visitor.go(stage.plain())).open();
    await visitor.ask("hello");
    await visitor.say("quiet, please");
    const state = visitor.at.locator(".pt-status[data-status]");
    await visitor.at.locator('.pt-status[data-status="delivered"]').waitFor();
    await visitor.page.reload();
    await visitor.own.nth(1).waitFor();
    assert.equal(await state.getAttribute("data-status"), "delivered");
    assert.equal(await state.textContent(), "Delivered");
    await visitor.close();
  });

  test("two tabs opened together are one visitor with one conversation, and show the same", async () => {
    const first = await stage.visitor();
    const second = new Visitor(await first.context.newPage());
    await Promise.all([first.go(stage.plain()), second.go(stage.plain())]);
    await Promise.all([first, second].map(({ page }, i) => page.evaluate((text) => {
      /** @type {any} */ (window).portico.open();
      return /** @type {any} */ (window).portico.sendMessage(text);
    }, `from tab ${i}`)));
    await Promise.all([first, second].map((tab) => tab.answers.nth(1).waitFor()));
    assert.equal((await property(first, "user")).id, (await property(second, "user")).id);
    assert.equal(await first.conversation(), await second.conversation());
    const said = await first.ownTexts();
    assert.deepEqual([...said].sort(), ["from tab 0", "from tab 1"]);
    await second.until(async () => JSON.stringify(await second.ownTexts()) === JSON.stringify(said), "the other tab shows the same");
    await first.ask("one more");
    await second.until(async () => (await second.answers.count()) === 3 && (await second.own.count()) === 3, "the other tab hears it");
    assert.deepEqual(await second.ownTexts(), await first.ownTexts());
    assert.deepEqual(await second.answerTexts(), await first.answerTexts());
    first.assertQuiet();
    second.assertQuiet();
    await first.close();
  });

  test("what is read in one tab is read in the other", async () => {
    const first = await stage.visitor();
    await (await first.go(stage.plain())).open();
    await first.ask("hello");
    const conversation = await first.conversation();
    const second = new Visitor(await first.context.newPage());
    await second.go(stage.plain());
    await second.answers.first().waitFor();
    for (const tab of [first, second]) await tab.page.evaluate(() => /** @type {any} */ (window).portico.close());
    await stage.bot.say(conversation, "text", { text: "Are you there?" });
    for (const tab of [first, second]) {
      await tab.at.getByRole("button", { name: "Open chat with Tide & Timber, 1 unread message" }).waitFor();
      assert.equal(await property(tab, "unreadCount"), 1);
    }
    await first.open();
    await second.at.getByRole("button", { name: "Open chat with Tide & Timber", exact: true }).waitFor();
    assert.equal(await property(second, "unreadCount"), 0);
    // The gateway knows it too: nothing is unread in a new tab.
    const third = new Visitor(await first.context.newPage());
    await third.go(stage.plain());
    await third.answers.nth(1).waitFor({ state: "attached" });
    assert.equal(await property(third, "unreadCount"), 0);
    first.assertQuiet();
    await first.close();
  });

  test("a logout ends the session in every tab and leaves nothing behind", async () => {
    const first = await stage.visitor();
    await (await first.go(stage.plain())).open();
    await first.ask("a secret");
    const second = new Visitor(await first.context.newPage());
    await second.go(stage.plain());
    await second.answers.first().waitFor();
    const user = (await property(first, "user")).id;
    await first.page.evaluate(() => /** @type {any} */ (window).portico.logout());
    for (const tab of [first, second]) await tab.until(async () => (await tab.messages.count()) === 0, "the conversation is gone");
    const left = await first.page.evaluate(() => JSON.stringify({ ...localStorage }));
    assert.ok(!left.includes("a secret"), left);
    await first.ask("somebody new");
    assert.notEqual((await property(first, "user")).id, user);
    assert.deepEqual(await first.ownTexts(), ["somebody new"]);
    await first.close();
  });

  test("a page that comes out of the back-forward cache goes on where it was", async () => {
    const browser = await chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS, ignoreDefaultArgs: ["--disable-back-forward-cache"] });
    try {
      const visitor = new Visitor(await (await browser.newContext({ viewport: { width: 1100, height: 800 } })).newPage());
      const watch = '<script>addEventListener("pageshow", (event) => { window.persisted = event.persisted; });</script>';
      await (await visitor.go(stage.plain("site", "", { head: watch }))).open();
      await visitor.ask("before");
      await visitor.page.evaluate(() => (/** @type {any} */ (window).mark = "the same page"));
      const conversation = await visitor.conversation();
      await visitor.go(stage.site.put(html({ body: "<p>Elsewhere</p>" })));
      await stage.bot.say(conversation, "text", { text: "While you were away." });
      await visitor.page.goBack({ waitUntil: "commit" }).catch(() => undefined);
      await visitor.answers.getByText("While you were away.").waitFor();
      const { persisted, mark, why } = await visitor.page.evaluate(() => ({
        persisted: /** @type {any} */ (window).persisted, mark: /** @type {any} */ (window).mark,
        why: JSON.stringify(/** @type {any} */ (performance.getEntriesByType("navigation")[0]).notRestoredReasons),
      }));
      assert.deepEqual([persisted, mark], [true, "the same page"], `the page was not kept: ${why}`);
      await visitor.ask("after");
      assert.deepEqual(await visitor.answerTexts(), ["before", "While you were away.", "after"]);
      visitor.assertQuiet();
    } finally {
      await browser.close();
    }
  });

  test("the gateway is killed and comes back: nothing is lost, and the page says what it knows", async () => {
    const visitor = await stage.visitor();
    await (await visitor.go(stage.plain())).open();
    await visitor.ask("before");
    await stage.gateway.kill();
    await visitor.say("said to nobody");
    await visitor.say("and again");
    await visitor.at.getByText("Connection lost. Trying again…").first().waitFor();
    await stage.gateway.restart();
    await visitor.answers.nth(2).waitFor({ timeout: 60_000 });
    assert.deepEqual(await visitor.ownTexts(), ["before", "said to nobody", "and again"]);
    assert.deepEqual(await visitor.answerTexts(), ["before", "said to nobody", "and again"]);
    await visitor.at.locator(".pt-banner").waitFor({ state: "detached" });
    visitor.assertQuiet(NETWORK);
    await visitor.page.reload();
    await visitor.answers.nth(2).waitFor();
    assert.deepEqual(await visitor.ownTexts(), ["before", "said to nobody", "and again"]);
    await visitor.close();
  });

  test("where no socket comes through, the same is said over plain HTTP", async () => {
    const visitor = await stage.visitor();
    let tried = 0;
    await visitor.page.routeWebSocket(/\/webchat\/v1\/ws/, async (socket) => {
      tried++;
      await socket.close();
    });
    await (await visitor.go(stage.plain())).open();
    await visitor.say("over a narrow road");
    await visitor.answers.first().waitFor();
    await visitor.ask("and back again");
    assert.deepEqual(await visitor.answerTexts(), ["over a narrow road", "and back again"]);
    await visitor.say("tokens 60 20");
    await visitor.at.locator(".pt-caret").waitFor();
    await visitor.at.locator(".pt-caret").waitFor({ state: "detached" });
    assert.ok(tried >= 2, `${tried} sockets`);
    assert.ok(visitor.requests.some((url) => url.endsWith("/webchat/v1/stream")), "a stream was asked for");
    visitor.assertQuiet(NETWORK);
    await visitor.close();
  });

  test("a streamed answer grows, is announced once, and stays when it is final", async () => {
    const visitor = await stage.visitor();
    await (await visitor.go(stage.plain())).open();
    await visitor.page.evaluate(() => {
      const own = /** @type {any} */ (window);
      own.said = [];
      const region = document.querySelector("portico-webchat")?.shadowRoot?.querySelector('[role="status"]');
      if (region) new MutationObserver(() => own.said.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
      own.deltas = 0;
      own.portico.on("delta", () => own.deltas++);
    });
    await visitor.say("tokens 120 15");
    const growing = visitor.at.locator(".pt-caret");
    await growing.waitFor();
    await visitor.at.getByRole("button", { name: "Stop answering" }).waitFor();
    await growing.waitFor({ state: "detached" });
    assert.match((await visitor.answerTexts())[0] ?? "", /^word0 word1 [\s\S]*word119$/);
    assert.equal(await visitor.answers.count(), 1);
    const { deltas, said } = await visitor.page.evaluate(() => ({ deltas: /** @type {any} */ (window).deltas, said: /** @type {any} */ (window).said }));
    assert.ok(deltas > 10, `${deltas} deltas`);
    await visitor.until(async () => visitor.page.evaluate(() => /** @type {any} */ (window).said.some((/** @type {string} */ text) => text.includes("word119"))), "the answer is announced");
    assert.equal(said.filter((/** @type {string} */ text) => /word\d/.test(text)).length <= 1, true, "announced while it grew");
    visitor.assertQuiet();
    await visitor.close();
  });
});
