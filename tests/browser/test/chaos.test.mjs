// @ts-check
// Three hundred messages over a network that dies at any moment, with a reload half-way and a gateway that is killed and
// started again: each is stored once and in order, each answer is seen once. Once with the headless client and three
// rates of death, once with the whole widget in a browser.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT, sleep } from "../support/gateway.mjs";
import { html } from "../support/site.mjs";
import { channel, startStage } from "../support/stage.mjs";
import { Visitor } from "../support/visitor.mjs";
import { startWire } from "../support/wire.mjs";

const COUNT = Number(process.env["CHAOS_COUNT"] ?? 300);

/** @type {import("../support/stage.mjs").Stage} */
let stage;
before(async () => (stage = await startStage({ channels: (origins) => channel("headless", origins, "", "native = true") })));
after(() => stage?.stop());

describe("chaos", { timeout: 2_400_000 }, () => {
  for (const p of [0.02, 0.1, 0.25]) {
    test(`the headless client, a connection killed at ${p * 100} % of what passes, the gateway killed once`, async () => {
      const heardBefore = stage.bot.heard().length;
      const run = spawn("npm", ["run", "--silent", "chaos", "-w", "@portico/webchat"], {
        cwd: join(ROOT, "webchat-client"),
        env: { ...process.env, GATEWAY: stage.gateway.url, CHANNEL: "headless", ORIGIN: stage.site.url, COUNT: String(COUNT), P: String(p), TIMEOUT_S: "600" },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let said = "";
      for (const stream of [run.stdout, run.stderr]) stream.on("data", (piece) => (said += piece));
      const ended = new Promise((go) => run.once("exit", go));
      // In the middle of it.
      while (stage.bot.heard().length - heardBefore < COUNT / 3 && run.exitCode === null) await sleep(20);
      await stage.gateway.kill();
      await sleep(300);
      await stage.gateway.restart();
      assert.equal(await ended, 0, said);
      const verdict = JSON.parse(said.trim().split("\n").filter((line) => line.startsWith("{")).at(-1) ?? "{}");
      assert.equal(verdict.ok, true, said);
      assert.ok(verdict.kills > 0);
      // And the bot got them in order: what is repeated after the crash has the same id and does not count.
      const heard = stage.bot.heard().slice(heardBefore);
      const numbers = heard.map((text) => Number(/#(\d+)\./.exec(text)?.[1]));
      assert.deepEqual(numbers, Array.from({ length: COUNT }, (_, n) => n));
      console.log(`${p * 100} %: ${JSON.stringify(verdict)}`);
    });
  }

  test("the widget in a browser, at 5 %, with a reload and a kill", async () => {
    const wire = await startWire(stage.gateway.port);
    const context = (await stage.visitor()).context;
    const url = stage.site.put(html({ head: stage.tag("site", "", wire.url) }));
    // A tenth of the usual pauses: it is the kills that are tested, not the patience.
    await context.addInitScript(() => {
      const real = crypto.getRandomValues.bind(crypto);
      crypto.getRandomValues = (/** @type {any} */ list) => {
        real(list);
        if (list instanceof Uint32Array && list.length === 1) list[0] = Math.floor((list[0] ?? 0) / 10);
        return list;
      };
    });
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
      wire.worsen(0.05);
      return visitor;
    };
    const send = (/** @type {Visitor} */ visitor, /** @type {number} */ from, /** @type {number} */ to) =>
      visitor.page.evaluate(async ([first = 0, end = 0]) => {
        const own = /** @type {any} */ (window);
        for (let n = first; n < end; n++) {
          for (;;) {
            try {
              await own.portico.sendMessage(`browser #${n}.`);
              break;
            } catch {
              // The outbox is full: as much as waits is kept, and more is refused.
              await new Promise((go) => setTimeout(go, 50));
            }
          }
          if (n % 20 === 19) await new Promise((go) => setTimeout(go, 20));
        }
      }, [from, to]);
    const wanted = Array.from({ length: COUNT }, (_, n) => `browser #${n}.`);
    const heard = () => stage.bot.heard().filter((text) => text.startsWith("browser #"));
    let visitor = await enter();
    await send(visitor, 0, COUNT / 2);
    const before = await visitor.page.evaluate(() => /** @type {any} */ (window).seen);
    await visitor.page.close();
    visitor = await enter();
    const rest = send(visitor, COUNT / 2, COUNT);
    while (heard().length < (COUNT * 3) / 5) await sleep(20);
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
    console.log(`browser: ${wire.kills()} connections killed, ${seen.length} answers told, ${rows.length} own rows in the log`);
    await visitor.close();
    await wire.stop();
  });
});
