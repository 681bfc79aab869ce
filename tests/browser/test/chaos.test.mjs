// @ts-check
// Three hundred messages of the whole widget over a network that dies at any moment, with a reload half-way and a gateway
// that is killed and started again: each is stored once and in order, each answer is seen once. The worse the network, the
// more the pauses between two tries are divided: it is the kills that are tested, not the patience.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { sleep } from "../support/gateway.mjs";
import { html } from "../support/site.mjs";
import { startStage } from "../support/stage.mjs";
import { Visitor } from "../support/visitor.mjs";
import { startWire } from "../support/wire.mjs";

const COUNT = Number(process.env["CHAOS_COUNT"] ?? 300);

/** @type {import("../support/stage.mjs").Stage} */
let stage;
before(async () => (stage = await startStage()));
after(() => stage?.stop());

describe("chaos", { timeout: 900_000 }, () => {
  for (const [percent, haste] of /** @type {const} */ ([[2, 10], [10, 20], [25, 200]])) {
    test(`the widget in a browser, at ${percent} %, with a reload and a kill`, () => nothingIsLost(percent, haste));
  }
});

/**
 * @param {number} percent of the pieces of data that kill their connection
 * @param {number} haste by which the client's pauses are divided
 */
async function nothingIsLost(percent, haste) {
  const name = `at ${percent} %`;
  const wire = await startWire(stage.gateway.port);
  const context = (await stage.visitor()).context;
  const url = stage.site.put(html({ head: stage.tag("site", "", wire.url) }));
  await context.addInitScript((/** @type {number} */ haste) => {
    const real = crypto.getRandomValues.bind(crypto);
    let isFirst = true;
    crypto.getRandomValues = (/** @type {any} */ list) => {
      real(list);
      if (!(list instanceof Uint32Array) || list.length !== 1) return list;
      // A pause asks once. An id asks for each of its letters, and must stay one of a kind after the reload too.
      if (isFirst) list[0] = Math.floor((list[0] ?? 0) / haste);
      isFirst = false;
      queueMicrotask(() => (isFirst = true));
      return list;
    };
  }, haste);
  const enter = async () => {
    // The tag itself must come through once; everything after it is the widget's.
    wire.worsen(0);
    const visitor = new Visitor(await context.newPage());
    await visitor.page.addInitScript(() => {
      const own = /** @type {any} */ (window);
      own.seen = [];
      const wait = setInterval(() => {
        if (!own.portico) return;
        clearInterval(wait);
        own.portico.on("message", (/** @type {any} */ message) => own.seen.push(message.body.text));
        own.portico.on("messageSent", () => (own.sent = (own.sent ?? 0) + 1));
      }, 1);
    });
    await visitor.go(url);
    await visitor.launcher.waitFor();
    await visitor.page.evaluate(() => /** @type {any} */ (window).portico.open());
    await visitor.input.waitFor();
    await visitor.page.waitForFunction(() => /** @type {any} */ (window).portico.connection === "open" || /** @type {any} */ (window).portico.connection?.state === "open");
    wire.worsen(percent / 100);
    return visitor;
  };
  const send = (/** @type {Visitor} */ visitor, /** @type {number} */ from, /** @type {number} */ to) =>
    visitor.page.evaluate(async ({ name, from, to }) => {
      const own = /** @type {any} */ (window);
      for (let n = from; n < to; n++) {
        for (;;) {
          try {
            await own.portico.sendMessage(`${name} #${n}.`);
            break;
          } catch {
            // The outbox is full: as much as waits is kept, and more is refused.
            await new Promise((go) => setTimeout(go, 50));
          }
        }
        if (n % 20 === 19) await new Promise((go) => setTimeout(go, 20));
      }
    }, { name, from, to });
  const wanted = Array.from({ length: COUNT }, (_, n) => `${name} #${n}.`);
  const heard = () => stage.bot.heard().filter((text) => text.startsWith(name));
  let visitor = await enter();
  await send(visitor, 0, COUNT / 2);
  const before = await visitor.page.evaluate(() => /** @type {any} */ (window).seen);
  await visitor.page.close();
  visitor = await enter();
  const rest = send(visitor, COUNT / 2, COUNT);
  await visitor.until(async () => heard().length >= (COUNT * 3) / 5, "the bot has most of them", 240_000);
  await stage.gateway.kill();
  await sleep(300);
  await stage.gateway.restart();
  await rest;
  await visitor.until(async () => heard().length >= COUNT, "the bot has all of them", 240_000);
  wire.worsen(0);
  await visitor.until(async () => (await visitor.page.evaluate(() => /** @type {any} */ (window).seen.at(-1))) === wanted.at(-1), "the last answer is seen", 60_000);
  assert.deepEqual(heard(), wanted, "the bot has each once and in order");
  // Everything that the log can show, up to the first message.
  const { own, answers } = await visitor.page.evaluate(async () => {
    const { portico } = /** @type {any} */ (window);
    /** @type {any[]} */
    let all = [];
    for (let page = await portico.listMessages({ limit: 100 }); ; page = await portico.listMessages({ limit: 100, before: page.messages[0].seq })) {
      all = [...page.messages, ...all];
      if (!page.more || page.messages.length === 0) break;
    }
    const texts = (/** @type {boolean} */ mine) => all.filter((one) => one.own === mine).map((one) => one.body.text);
    return { own: texts(true), answers: texts(false) };
  });
  assert.deepEqual(own, wanted, "stored once and in order");
  assert.deepEqual([...answers].sort(), [...wanted].sort(), "answered once");
  const seen = [...before, ...(await visitor.page.evaluate(() => /** @type {any} */ (window).seen))];
  assert.equal(new Set(seen).size, seen.length, "no answer is told twice");
  const rows = await visitor.ownTexts();
  assert.equal(new Set(rows).size, rows.length, "nothing is shown twice");
  assert.deepEqual(rows, wanted.slice(-rows.length));
  console.log(`${name}: ${wire.kills()} connections killed, ${seen.length} answers told, ${rows.length} own rows in the log`);
  await visitor.close();
  await wire.stop();
}
