/** The link: reconnecting, heartbeat, close codes, fallbacks, and the life of the page. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { connected, openTab, texts, tick } from "./world.ts";
import { MockGateway } from "./mock-gateway.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("hello names channel, tab and capabilities, and no token on the first visit", async () => {
  const { gateway, client, of } = await connected({}, { locale: "fr" });
  expect(gateway.received("hello")).toMatchObject([{ v: 1, ch: "site", loc: "fr", caps: ["delta", "form"], cur: {} }]);
  expect(gateway.received("hello")[0]).not.toHaveProperty("tok");
  expect(client.getState().connection).toMatchObject({ state: "open", transport: "ws" });
  expect(of("ready")).toMatchObject([{ user: { id: "u1", verified: false }, conversationId: null }]);
  expect(client.hasSession()).toBe(true);
});

test("the page is told only where the channel asks, and without query string", async () => {
  const { gateway } = await connected({}, { config: { page: true } });
  expect(gateway.received("hello")[0]?.page).toEqual({
    url: "https://shop.test/cart",
    title: "Cart",
    ref: "https://search.test/",
  });
  expect((await connected()).gateway.received("hello")[0]).not.toHaveProperty("page");
});

test("delays grow with full jitter, to 30 s, and start over after 30 s of a stable link", async () => {
  const gateway = new MockGateway({ offline: true });
  const { client, of } = openTab(gateway, undefined, { surroundings: { random: () => 0.999 } });
  void client.connect().catch(() => undefined);
  await tick(300_000);
  const delays = of("connection").flatMap(({ state, retryInMs }) =>
    state === "waiting" && retryInMs !== undefined ? [retryInMs] : [],
  );
  expect(delays.slice(0, 8)).toEqual([499, 999, 1998, 3996, 7992, 15984, 29970, 29970]);
  gateway.options.offline = false;
  await tick(62_000);
  expect(client.getState().connection).toMatchObject({ state: "open", attempt: 0 });
});

test("ping after hb seconds of silence; no answer for as long again closes the link", async () => {
  let deaf = false;
  const { gateway, client } = await connected({ ignore: () => deaf });
  await tick(26_000);
  expect(gateway.received("ping").length).toBe(1);
  expect(gateway.opened).toBe(1);
  deaf = true;
  await tick(60_000);
  deaf = false;
  await tick(40_000);
  expect(gateway.opened).toBe(2);
  expect(client.getState().connection.state).toBe("open");
});

test.each([4400, 4403, 4404, 4410, 4426])("close %i stops, and connect rejects", async (code) => {
  const { gateway, client, of } = await connected();
  gateway.drop(code);
  await tick(600_000);
  expect(client.getState().connection).toMatchObject({ state: "stopped", code });
  expect(gateway.opened).toBe(1);
  expect(of("outdated").length).toBe(code === 4426 ? 1 : 0);
});

test.each([1001, 1006, 1011, 1012, 1013, 4408])("close %i is followed by another try", async (code) => {
  const { gateway, client } = await connected();
  gateway.drop(code);
  await tick(2000);
  expect(gateway.opened).toBe(2);
  expect(client.getState().connection.state).toBe("open");
});

test("4401 drops the token and begins again", async () => {
  const { gateway, client } = await connected();
  gateway.users.clear();
  gateway.drop(4401);
  await tick(1000);
  expect(gateway.received("hello").map(({ tok }) => tok)).toEqual([undefined, undefined]);
  expect(client.getState().connection.state).toBe("open");
});

test("4401 does not drop a token that another tab has stored since", async () => {
  const { gateway, browser } = await connected();
  gateway.users.set("newer-token-of-another-tab", "u1");
  browser.localStorage.setItem("portico:site:token", "newer-token-of-another-tab");
  gateway.drop(4401);
  await tick(1000);
  expect(gateway.received("hello").at(-1)?.tok).toBe("newer-token-of-another-tab");
});

test("4409 waits until the tab is looked at", async () => {
  const { gateway, page, client } = await connected();
  page.visibilityState = "hidden";
  gateway.drop(4409);
  await tick(100_000);
  expect(gateway.opened).toBe(1);
  page.show("visible");
  await tick();
  expect(client.getState().connection.state).toBe("open");
});

test("bye sets the pause, and sending does not cut it short", async () => {
  const { gateway, client } = await connected();
  gateway.broadcast({ t: "bye", code: "deploy", retry: 4000 });
  await tick();
  gateway.drop(1012);
  await tick(2000);
  client.sendMessage("hi");
  await tick(1000);
  expect(gateway.opened).toBe(1);
  await tick(1500);
  expect(texts(client)).toEqual(["hi"]);
  expect(gateway.stored().length).toBe(1);
});

test("4413 fails the message that was too large and goes on", async () => {
  const { gateway, client, of } = await connected({
    ignore: (frame) => frame.t === "send" && frame.msg.text === "big",
  });
  client.sendMessage("big");
  client.sendMessage("small");
  await tick();
  gateway.drop(4413);
  await tick(2000);
  expect(of("messageFailed")).toMatchObject([{ code: "too_large" }]);
  expect(gateway.stored().map(({ text }) => text)).toEqual(["small"]);
});

test("online and a shown tab cut the wait short", async () => {
  const gateway = new MockGateway({ offline: true });
  const { client, window } = openTab(gateway, undefined, { surroundings: { random: () => 0.999 } });
  void client.connect().catch(() => undefined);
  await tick(40_000);
  const before = gateway.opened;
  gateway.options.offline = false;
  await tick(1500);
  expect(gateway.opened).toBe(before);
  window.dispatchEvent(new Event("online"));
  await tick();
  expect(client.getState().connection.state).toBe("open");
});

test("a tab hidden for 5 minutes sleeps, and wakes when shown", async () => {
  const { gateway, client, page } = await connected();
  page.show("hidden");
  await tick(301_000);
  expect(client.getState().connection.state).toBe("idle");
  expect(gateway.sockets.size).toBe(0);
  page.show("visible");
  await tick();
  expect(client.getState().connection.state).toBe("open");
});

test("a page that goes into the cache closes its link and opens it when it comes back", async () => {
  const { gateway, client, window } = await connected();
  window.dispatchEvent(new Event("pagehide"));
  await tick();
  expect(gateway.sockets.size).toBe(0);
  window.dispatchEvent(new Event("pageshow"));
  await tick();
  expect(client.getState().connection.state).toBe("open");
});

test("two sockets that fail before welcome lead to a stream, and back after 5 minutes", async () => {
  const { gateway, client } = await connected({ noSockets: true, bot: (text) => [`answer to ${text}`] });
  await tick(5000);
  expect(client.getState().connection).toMatchObject({ state: "open", transport: "sse" });
  client.sendMessage("hi");
  await tick(1000);
  expect(texts(client)).toEqual(["hi", "answer to hi"]);
  expect(client.getState().messages[0]?.status).toBe("sent");
  gateway.options.noSockets = false;
  await tick(305_000);
  expect(client.getState().connection).toMatchObject({ state: "open", transport: "ws" });
  client.sendMessage("again");
  await tick(1000);
  expect(texts(client).slice(2)).toEqual(["again", "answer to again"]);
});

test("a stream through which no byte comes leads to the long poll", async () => {
  const { gateway, client } = await connected({
    noSockets: true,
    buffering: true,
    bot: (text) => [`answer to ${text}`],
  });
  await tick(30_000);
  expect(client.getState().connection).toMatchObject({ state: "open", transport: "poll" });
  client.sendMessage("hi");
  client.sendMessage("you");
  await tick(3000);
  expect(texts(client).sort()).toEqual(["answer to hi", "answer to you", "hi", "you"]);
  expect(client.getState().messages.every(({ seq }, at) => seq === at + 1)).toBe(true);
  await tick(60_000);
  const polls = gateway.requests.filter((request) => request === "POST poll").length;
  expect(polls).toBeLessThan(15);
});

test("disconnect leaves what waits in the outbox; connect sends it", async () => {
  const { gateway, client } = await connected();
  client.disconnect();
  await tick();
  expect(client.getState().connection.state).toBe("idle");
  gateway.options.offline = true;
  client.sendMessage("kept");
  client.disconnect();
  gateway.options.offline = false;
  await tick(10_000);
  expect(gateway.stored()).toEqual([]);
  void client.connect();
  await tick();
  expect(gateway.stored().length).toBe(1);
});

test("a destroyed client opens nothing any more and says so", async () => {
  const { gateway, client } = await connected();
  client.destroy();
  await tick(100_000);
  expect(gateway.sockets.size).toBe(0);
  expect(() => client.sendMessage("hi")).toThrow(/destroyed/);
  await expect(client.connect()).rejects.toMatchObject({ code: "destroyed" });
});
