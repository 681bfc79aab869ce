// @ts-check
// The other ways in: a frame, the gateway's own page, a server that only renders, and programs that bundle the parts.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { ROOT } from "../support/gateway.mjs";
import { html } from "../support/site.mjs";
import { startStage } from "../support/stage.mjs";

/** @type {import("../support/stage.mjs").Stage} */
let stage;
before(async () => (stage = await startStage()));
after(() => stage?.stop());

/** The frame of iframe mode. @param {import("../support/visitor.mjs").Visitor} visitor */
async function intoFrame(visitor) {
  const element = await visitor.page.locator('iframe[src*="/webchat/v1/chat/"]').elementHandle();
  const frame = await element?.contentFrame();
  assert.ok(frame, "there is a frame");
  visitor.at = frame;
  return visitor;
}

describe("iframe mode", { timeout: 120_000 }, () => {
  test("a page with script-src and frame-src alone holds the chat, and cannot look inside", async () => {
    const policy = `default-src 'none'; script-src ${stage.gateway.url}; frame-src ${stage.gateway.url}; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'`;
    const page = stage.site.put({ html: html({ head: stage.tag("site", 'data-mode="iframe"') }), headers: { "content-security-policy": policy } });
    const visitor = await stage.visitor();
    await visitor.go(page);
    await intoFrame(visitor);
    await visitor.open();
    await visitor.ask("hello from a frame");
    await visitor.ask("choice");
    assert.equal(await visitor.page.evaluate(() => {
      try {
        return document.querySelector("iframe")?.contentDocument === null ? "closed" : "open";
      } catch {
        return "closed";
      }
    }), "closed");
    const box = await visitor.page.locator("iframe").boundingBox();
    assert.ok(box && box.width >= 380 && box.height >= 600 && box.x + box.width <= 1100.5, JSON.stringify(box));
    visitor.assertQuiet();
    // Closed, the frame covers no more of the page than its launcher.
    await visitor.at.getByRole("button", { name: "Close chat" }).first().click();
    await visitor.until(async () => ((await visitor.page.locator("iframe").boundingBox())?.height ?? 999) <= 120, "the frame is small again");
    await visitor.close();
  });

  test("the page's methods, events and session reach through", async () => {
    const visitor = await stage.visitor();
    const url = stage.plain("site", 'data-mode="iframe"');
    await visitor.go(url);
    await visitor.page.evaluate(async () => {
      const { portico } = /** @type {any} */ (window);
      /** @type {any} */ (window).heard = [];
      portico.on("*", (/** @type {any} */ event) => /** @type {any} */ (window).heard.push(event.type));
      await portico.open();
      await portico.sendMessage("from the page");
    });
    await intoFrame(visitor);
    await visitor.answers.first().waitFor();
    const seen = await visitor.page.evaluate(() => ({ state: /** @type {any} */ (window).portico.state, heard: /** @type {any} */ (window).heard, user: /** @type {any} */ (window).portico.user.id, kept: Object.keys(localStorage).some((key) => key.endsWith(":token")) }));
    assert.equal(seen.state, "opened");
    assert.equal(seen.kept, true, "the session is kept by the page");
    for (const event of ["opened", "messageSent", "message"]) assert.ok(seen.heard.includes(event), `${event}: ${seen.heard}`);
    await visitor.page.reload();
    await intoFrame(visitor);
    await visitor.launcher.click();
    await visitor.answers.first().waitFor();
    assert.deepEqual(await visitor.ownTexts(), ["from the page"]);
    assert.equal(await visitor.page.evaluate(() => /** @type {any} */ (window).portico.user.id), seen.user);
    visitor.assertQuiet();
    await visitor.close();
  });
});

describe("the hosted page", { timeout: 120_000 }, () => {
  test("fills the window, has the channel's name, and needs no launcher", async () => {
    const visitor = await stage.visitor();
    await visitor.go(`${stage.gateway.url}/webchat/v1/chat/site`);
    await visitor.input.waitFor();
    assert.equal(await visitor.page.title(), "Tide & Timber");
    assert.equal(await visitor.launcher.count(), 0);
    for (const kind of ["hello", "image", "markdown", "carousel"]) await visitor.ask(kind);
    const box = await visitor.panel.boundingBox();
    assert.deepEqual([box?.x, box?.y, box?.width, box?.height], [0, 0, 1100, 800]);
    visitor.assertQuiet(/^error: (Failed to load resource|Loading the image|Refused to load|Loading media).*localhost/);
    await visitor.close();
  });

  test("refuses a channel that is not there with a page that says so", async () => {
    const answer = await fetch(`${stage.gateway.url}/webchat/v1/chat/nowhere`);
    assert.equal(answer.status, 404);
  });

  test("can be framed by the channel's pages and by nobody else", async () => {
    const answer = await fetch(`${stage.gateway.url}/webchat/v1/chat/site`);
    assert.match(answer.headers.get("content-security-policy") ?? "", new RegExp(`frame-ancestors ${stage.site.url} 'self'`));
    const visitor = await stage.visitor();
    const other = stage.site.put(html({ body: `<iframe src="${stage.gateway.url}/webchat/v1/chat/site"></iframe>` })).replace("localhost", "127.0.0.1");
    await visitor.go(other);
    await visitor.until(async () => visitor.complaints.some((line) => /frame-ancestors/.test(line)), "the browser refuses the frame");
    await visitor.close();
  });
});

describe("on a server", { timeout: 120_000 }, () => {
  const run = promisify(execFile);
  const CLIENT = join(ROOT, "webchat-client/packages");

  /** Runs a module in a Node without any browser's globals. @param {string} text */
  async function node(text) {
    const folder = mkdtempSync(join(tmpdir(), "portico-ssr-"));
    try {
      const file = join(folder, "page.mjs");
      writeFileSync(file, text);
      return (await run(process.execPath, [file], { cwd: join(CLIENT, "react") })).stdout;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const from = (/** @type {string} */ path) => JSON.stringify(pathToFileURL(join(CLIENT, path)).href);

  test("the client's build can be imported, and a client made, without a window", async () => {
    const out = await node(`
      if (typeof window !== "undefined" || typeof document !== "undefined") throw new Error("not a server");
      const { createClient } = await import(${from("client/dist/index.js")});
      const client = createClient({ channel: "site", url: "https://chat.example" });
      console.log(JSON.stringify([client.getState().messages, client.getState().connection.state, client.hasSession()]));
      client.destroy();`);
    assert.deepEqual(JSON.parse(out), [[], "idle", false]);
  });

  test("the React build can be imported and renders on a server", async () => {
    const out = await node(`
      import { createRequire } from "node:module";
      const require = createRequire(${from("react/package.json")});
      const { createElement } = require("react");
      const { renderToString } = require("react-dom/server");
      const { createClient } = await import(${from("client/dist/index.js")});
      const { PorticoProvider, Webchat } = await import(${from("react/dist/index.js")});
      const client = createClient({ channel: "site", url: "https://chat.example" });
      console.log(renderToString(createElement(PorticoProvider, { client }, createElement("p", null, "a page"), createElement(Webchat))));`);
    assert.match(out, /<p>a page<\/p>/);
  });
});
