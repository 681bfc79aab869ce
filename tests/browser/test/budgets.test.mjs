// @ts-check
// How long, how many, how much: under a slow line and a slow processor, with a long conversation, with a long answer.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startStage } from "../support/stage.mjs";

/** @type {import("../support/stage.mjs").Stage} */
let stage;
before(async () => (stage = await startStage()));
after(() => stage?.stop());

const median = (/** @type {number[]} */ values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

/** A slow 4G line (1.6 Mbit/s, 150 ms) and a quarter of the processor. @param {import("../support/visitor.mjs").Visitor} visitor */
async function slow(visitor) {
  const cdp = await visitor.context.newCDPSession(visitor.page);
  await cdp.send("Network.enable");
  await cdp.send("Network.setCacheDisabled", { cacheDisabled: true });
  await cdp.send("Network.emulateNetworkConditions", { offline: false, latency: 150, downloadThroughput: (1.6 * 1024 * 1024) / 8, uploadThroughput: (0.75 * 1024 * 1024) / 8 });
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  return cdp;
}

/** Times of the page: when the launcher stood, and the main thread's long tasks. */
const WATCH = `
  window.long = []; window.launcherAt = 0;
  new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.long.push([entry.startTime, entry.duration]); }).observe({ type: "longtask", buffered: true });
  const look = () => { const button = document.querySelector("portico-webchat")?.shadowRoot?.querySelector(".pt-launcher");
    if (button && button.getBoundingClientRect().width > 0) window.launcherAt = performance.now(); else requestAnimationFrame(look); };
  requestAnimationFrame(look);`;

describe("budgets", { timeout: 300_000 }, () => {
  test("the launcher stands after four requests within 1.2 s, the composer 150 ms after the click, on a slow phone", async () => {
    /** @type {{ launcher: number, composer: number, blocked: number, requests: string[] }[]} */
    const runs = [];
    // Three, and up to three more where the machine has other work.
    for (let i = 0; i < 3 || (i < 6 && Math.min(...runs.map(({ launcher }) => launcher)) > 1200); i++) {
      const visitor = await stage.visitor();
      await slow(visitor);
      await visitor.page.addInitScript(WATCH);
      await visitor.go(stage.plain());
      await visitor.page.waitForFunction(() => /** @type {any} */ (window).launcherAt > 0);
      // Those after the page itself, up to the launcher.
      const { launcherAt, requests } = await visitor.page.evaluate(() => {
        const { launcherAt } = /** @type {any} */ (window);
        const all = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
        return { launcherAt, requests: all.filter(({ startTime, name }) => startTime < launcherAt && name.includes("/webchat/")).map(({ name }) => new URL(name).pathname) };
      });
      // The panel is fetched when the page is idle; a visitor reads before they click.
      await visitor.page.waitForTimeout(2500);
      // Of everything up to now: loading, launcher, and the panel fetched ahead.
      const blocked = await visitor.page.evaluate(() => /** @type {any} */ (window).long.reduce((/** @type {number} */ sum, /** @type {number[]} */ [, ms]) => sum + Math.max(0, (ms ?? 0) - 50), 0));
      const composer = await visitor.page.evaluate(async () => {
        const root = document.querySelector("portico-webchat")?.shadowRoot;
        const began = performance.now();
        /** @type {HTMLElement} */ (root?.querySelector(".pt-launcher")).click();
        while (!(/** @type {Element | undefined} */ (root?.querySelector("textarea.pt-text") ?? undefined)?.getBoundingClientRect().width)) await new Promise(requestAnimationFrame);
        return performance.now() - began;
      });
      runs.push({ launcher: launcherAt, requests, composer, blocked });
      await visitor.close();
    }
    // Whatever else the machine does only ever adds, so the least of the runs is judged; the medians are told.
    const of = (/** @type {"launcher" | "composer" | "blocked"} */ what) => runs.map((run) => Math.round(run[what]));
    const figures = { launcher: Math.min(...of("launcher")), composer: Math.min(...of("composer")), blocked: Math.min(...of("blocked")) };
    console.log(`slow 4G, CPU/4, ms: launcher ${of("launcher").join(" ")}, composer ${of("composer").join(" ")}, main thread blocked ${of("blocked").join(" ")}; ${runs[0]?.requests.length} requests`);
    for (const { requests } of runs) assert.ok(requests.length <= 4, requests.join(" "));
    assert.ok(figures.launcher <= 1200, `launcher after ${figures.launcher} ms`);
    assert.ok(figures.composer <= 150, `composer after ${figures.composer} ms`);
    assert.ok(figures.blocked <= 100, `main thread blocked for ${figures.blocked} ms`);
  });

  test("a visitor who never opens the chat costs no connection, and one who comes back costs one", async () => {
    const visitor = await stage.visitor();
    /** @type {string[]} */
    const sockets = [];
    visitor.page.on("websocket", (socket) => sockets.push(socket.url()));
    const url = stage.plain();
    await visitor.go(url);
    await visitor.launcher.waitFor();
    await visitor.page.waitForTimeout(1500);
    assert.deepEqual(sockets, []);
    await visitor.open();
    await visitor.ask("hello");
    assert.equal(sockets.length, 1);
    await visitor.page.reload();
    await visitor.answers.first().waitFor();
    await visitor.page.waitForTimeout(500);
    assert.equal(sockets.length, 2);
    await visitor.close();
  });

  test("a thousand messages stay within bounds of memory, and the log still answers at once", async () => {
    const visitor = await stage.visitor();
    await (await visitor.go(stage.plain())).open();
    await visitor.ask("hello");
    const cdp = await visitor.context.newCDPSession(visitor.page);
    // A collection that meets a running one leaves garbage behind, so the least of a few readings counts: what is held stays in all.
    const heap = async () => {
      let least = Infinity;
      for (let i = 0; i < 6; i++) {
        if (i) await visitor.page.waitForTimeout(400);
        await cdp.send("HeapProfiler.collectGarbage");
        least = Math.min(least, (await cdp.send("Runtime.getHeapUsage")).usedSize / 2 ** 20);
      }
      return least;
    };
    const empty = await heap();
    await visitor.page.evaluate(async () => {
      const { portico } = /** @type {any} */ (window);
      let answers = 0;
      portico.on("message", () => answers++);
      for (let i = 0; i < 500; i++) {
        await portico.sendMessage(`message ${i} with **some** words in it, as people write them`);
        while (i - answers > 40) await new Promise((go) => setTimeout(go, 10));
      }
      while (answers < 500) await new Promise((go) => setTimeout(go, 20));
    });
    const full = await heap();
    const rows = await visitor.messages.count();
    const began = Date.now();
    await visitor.ask("one more");
    const took = Date.now() - began;
    console.log(`1,000 messages: heap ${empty.toFixed(1)} → ${full.toFixed(1)} MiB, ${rows} rows in the log, the next answer after ${took} ms`);
    assert.ok(full - empty < 24, `${(full - empty).toFixed(1)} MiB more`);
    assert.ok(took < 2000, `${took} ms`);
    await visitor.close();
  });

  test("5,000 tokens stream at less than 8 ms of script for a frame", async () => {
    const visitor = await stage.visitor();
    await (await visitor.go(stage.plain())).open();
    await visitor.ask("hello");
    const cdp = await visitor.context.newCDPSession(visitor.page);
    await cdp.send("Performance.enable");
    const script = async () => {
      const { metrics } = await cdp.send("Performance.getMetrics");
      const of = (/** @type {string} */ name) => metrics.find((one) => one.name === name)?.value ?? 0;
      return { task: of("TaskDuration"), script: of("ScriptDuration"), layout: of("LayoutDuration") + of("RecalcStyleDuration") };
    };
    await visitor.page.evaluate(() => {
      const own = /** @type {any} */ (window);
      own.frames = [];
      own.busy = [];
      // What a frame costs: from its first callback to the moment after layout and paint were asked for.
      const channel = new MessageChannel();
      let began = 0;
      channel.port1.onmessage = () => own.frames.push(performance.now() - began);
      const frame = () => {
        if (own.enough) return;
        began = performance.now();
        channel.port2.postMessage(0);
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
      new PerformanceObserver((list) => { for (const entry of list.getEntries()) own.busy.push(entry.duration); }).observe({ type: "longtask" });
    });
    const before = await script();
    await visitor.say("tokens 5000 20 10");
    await visitor.at.locator(".pt-caret").waitFor();
    await visitor.at.locator(".pt-caret").waitFor({ state: "detached", timeout: 120_000 });
    const after = await script();
    const { frames, busy } = await visitor.page.evaluate(() => {
      const own = /** @type {any} */ (window);
      own.enough = true;
      return { frames: own.frames, busy: own.busy };
    });
    const each = (/** @type {"task" | "script" | "layout"} */ what) => ((after[what] - before[what]) * 1000) / frames.length;
    console.log(`5,000 tokens: ${frames.length} frames, median ${median(frames).toFixed(1)} ms, of a frame ${each("script").toFixed(2)} ms script, ${each("layout").toFixed(2)} ms layout, ${each("task").toFixed(2)} ms in all, ${busy.length} long tasks${busy.length ? `, longest ${Math.max(...busy)} ms` : ""}`);
    assert.ok(median(frames) < 8, `a frame takes ${median(frames)} ms`);
    assert.ok(each("task") < 8, `${each("task")} ms a frame`);
    assert.match((await visitor.answerTexts()).at(-1) ?? "", /word4999$/);
    await visitor.close();
  });
});
