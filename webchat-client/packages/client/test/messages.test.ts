/** Sending, receiving and showing: what a visitor says and hears, over a link that comes and goes. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ClientError } from "../src/index.ts";
import { connected, openTab, texts, tick } from "./world.ts";
import { MockGateway } from "./mock-gateway.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("a message goes from sending to sent, and its row keeps its key", async () => {
  const { client, gateway, of } = await connected();
  const { id } = client.sendMessage("hello");
  expect(client.getState().messages).toMatchObject([{ key: id, status: "sending", own: true, from: "user" }]);
  await tick();
  expect(client.getState().messages).toMatchObject([{ key: id, cid: id, seq: 1, status: "sent" }]);
  expect(gateway.stored()).toMatchObject([{ cid: id, text: "hello" }]);
  expect(of("messageSent")).toMatchObject([{ key: id, seq: 1 }]);
  expect(client.conversationId).toBe(client.getState().messages[0]?.conv);
});

test("a message typed offline is sent once, after the link returns", async () => {
  const gateway = new MockGateway({ offline: true });
  const { client } = openTab(gateway);
  client.sendMessage("hello");
  await tick(200);
  expect(gateway.stored()).toEqual([]);
  expect(client.getState().connection.state).not.toBe("open");
  gateway.options.offline = false;
  await tick(120_000);
  expect(gateway.stored().map(({ text }) => text)).toEqual(["hello"]);
});

test("one send is in flight per conversation: the next waits for the ack", async () => {
  const { client, gateway } = await connected();
  for (const text of ["a", "b", "c"]) client.sendMessage(text);
  gateway.options.latencyMs = 100;
  await tick(150);
  expect(gateway.received("send").length).toBe(1);
  await tick(1000);
  expect(gateway.stored().map(({ text }) => text)).toEqual(["a", "b", "c"]);
});

test("an ack that is lost makes no second message: the repeat has the same id", async () => {
  let first = true;
  const { client, gateway } = await connected({ cut: (point) => point === "before-ack" && first && !(first = false) });
  client.sendMessage("hello");
  await tick(60_000);
  expect(gateway.stored().length).toBe(1);
  expect(client.getState().messages).toMatchObject([{ status: "sent", seq: 1 }]);
});

test("no ack for 20 s: the link is renewed and the message sent again", async () => {
  let deaf = true;
  const { client, gateway } = await connected({ ignore: (frame) => frame.t === "send" && deaf });
  client.sendMessage("hello");
  await tick(1000);
  deaf = false;
  await tick(25_000);
  expect(gateway.stored().map(({ text }) => text)).toEqual(["hello"]);
  expect(gateway.received("send").map(({ id }) => id)).toHaveLength(2);
});

test("a nack with retry sends the same frame again; the lane waits behind it", async () => {
  let refuse = 1;
  const { client, gateway } = await connected({
    nack: (frame) => (frame.t === "send" && refuse-- > 0 ? { code: "rate", retry: 1500 } : undefined),
  });
  client.sendMessage("a");
  client.sendMessage("b");
  await tick(1000);
  expect(gateway.stored()).toEqual([]);
  await tick(1000);
  expect(gateway.stored().map(({ text }) => text)).toEqual(["a", "b"]);
});

test("a permanent nack fails the message, lets the next one through, and retry uses the same id", async () => {
  let refuse = true;
  const { client, gateway, of } = await connected({
    nack: (frame) => (frame.t === "send" && frame.msg.text === "a" && refuse ? { code: "blocked" } : undefined),
  });
  const { id } = client.sendMessage("a");
  client.sendMessage("b");
  await tick(500);
  expect(of("messageFailed")).toMatchObject([{ id, code: "blocked" }]);
  expect(client.getState().messages.find((row) => row.key === id)).toMatchObject({
    status: "failed",
    error: "blocked",
  });
  refuse = false;
  client.retry(id);
  await tick();
  expect(gateway.stored().map(({ text, cid }) => [text, cid === id])).toEqual([
    ["b", false],
    ["a", true],
  ]);
  expect(client.getState().messages.find((row) => row.key === id)).toMatchObject({ status: "sent" });
  expect(client.getState().messages.find((row) => row.key === id)).not.toHaveProperty("error");
});

test("a failed message can be discarded", async () => {
  const { client, browser } = await connected({ nack: () => ({ code: "bad" }) });
  const { id } = client.sendMessage("a");
  await tick();
  client.discard(id);
  expect(client.getState().messages).toEqual([]);
  expect(
    [...Array(browser.localStorage.length).keys()]
      .map((n) => browser.localStorage.key(n))
      .filter((key) => key?.includes("outbox")),
  ).toEqual([]);
});

test("what waited for a day has failed", async () => {
  const gateway = new MockGateway({ offline: true });
  const { client, of } = openTab(gateway);
  client.sendMessage("old");
  await tick(25 * 3600_000);
  gateway.options.offline = false;
  await tick(120_000);
  expect(of("messageFailed")).toMatchObject([{ code: "expired" }]);
  expect(gateway.stored()).toEqual([]);
}, 60_000);

test("the outbox takes 100 messages, says so, and takes more when some are gone", async () => {
  const gateway = new MockGateway({ offline: true });
  const { client } = openTab(gateway);
  for (let n = 0; n < 100; n++) client.sendMessage(`message ${n}`);
  expect(client.getState().outboxFull).toBe(true);
  expect(() => client.sendMessage("one more")).toThrow(ClientError);
  gateway.options.offline = false;
  await tick(120_000);
  expect(client.getState().outboxFull).toBe(false);
  expect(gateway.stored().length).toBe(100);
});

test("nonsense is refused before it is queued", async () => {
  const { client } = await connected();
  expect(() => client.sendMessage("  ")).toThrow(/empty/);
  expect(() => client.sendMessage("x".repeat(4001))).toThrow(/4000 characters/);
  expect(() => client.sendMessage({ type: "text", text: "x", blob: "y".repeat(70_000) } as never)).toThrow(
    /65536 bytes/,
  );
  expect(() => client.sendMessage({ type: "" } as never)).toThrow(/type/);
  expect(client.getState().messages).toEqual([]);
});

test("an early item is held back, asked for after 1 s, and shown in order", async () => {
  const { client, gateway, of } = await connected();
  client.sendMessage("hi");
  await tick();
  const conv = client.conversationId ?? "";
  gateway.append(conv, "msg", { id: "mA", from: "bot", ts: 1, type: "text", text: "first" });
  gateway.say(conv, "second");
  await tick(500);
  expect(texts(client)).toEqual(["hi"]);
  await tick(700);
  expect(gateway.received("sync").at(-1)).toEqual({ t: "sync", cur: { [conv]: 1 } });
  expect(texts(client)).toEqual(["hi", "first", "second"]);
  expect(of("message").length).toBe(2);
});

test("a repeat is dropped", async () => {
  const { client, gateway, of } = await connected();
  client.sendMessage("hi");
  await tick();
  const item = gateway.say(client.conversationId ?? "", "once");
  gateway.broadcast(item);
  await tick();
  expect(texts(client)).toEqual(["hi", "once"]);
  expect(of("message").length).toBe(1);
});

test("after a reset the newest page replaces what is no longer true, and nobody's message goes unannounced", async () => {
  const { client, gateway, of } = await connected({ replay: 5 });
  client.sendMessage("hi");
  await tick();
  const conv = client.conversationId ?? "";
  gateway.options.offline = true;
  gateway.drop();
  await tick();
  for (let n = 0; n < 20; n++)
    gateway.append(conv, "msg", { id: `x${n}`, from: "bot", ts: n, type: "text", text: `missed ${n}` });
  gateway.options.offline = false;
  await tick(120_000);
  expect(texts(client)).toEqual(["hi", ...Array.from({ length: 20 }, (_, n) => `missed ${n}`)]);
  expect(of("message").length).toBe(20);
  gateway.say(conv, "live again");
  await tick();
  expect(texts(client).at(-1)).toBe("live again");
});

test("updates, deletions, statuses and unknown kinds", async () => {
  const { client, gateway, of } = await connected();
  client.sendMessage("hi");
  await tick();
  const conv = client.conversationId ?? "";
  const own = client.getState().messages[0]?.id ?? "";
  const said = gateway.say(conv, "wrong");
  for (const [kind, data] of [
    ["upd", { ...said.data, text: "right" }],
    ["status", { id: own, status: "read" }],
    ["status", { id: own, status: "delivered" }],
    ["wave", {}],
    ["event", { name: "cart", data: { open: true }, from: "bot" }],
  ] as const)
    gateway.broadcast(gateway.append(conv, kind, data));
  await tick();
  expect(texts(client)).toEqual(["hi", "right"]);
  expect(client.getState().messages[0]?.status).toBe("read");
  expect(of("messageUpdated").length).toBe(1);
  expect(of("customEvent")).toEqual([{ name: "cart", data: { open: true } }]);
  gateway.broadcast(gateway.append(conv, "del", { id: said.data.id }));
  await tick();
  expect(texts(client)).toEqual(["hi"]);
  expect(of("messageDeleted")).toEqual([{ id: said.data.id, conv }]);
});

test("a draft grows by its pieces; the stored message takes its place under the same key", async () => {
  const { client, gateway } = await connected();
  client.sendMessage("hi");
  await tick();
  const conv = client.conversationId ?? "";
  const delta = (n: number, s: string, more = {}) => gateway.broadcast({ t: "delta", conv, mid: "d1", n, s, ...more });
  delta(0, "Hel");
  delta(1, "lo");
  delta(1, "lo");
  await tick();
  expect(client.getState().messages.at(-1)).toMatchObject({ key: "d1", draft: "streaming", body: { text: "Hello" } });
  delta(3, "!?");
  await tick();
  expect(texts(client).at(-1)).toBe("Hello");
  delta(4, "Hello, all of it", { full: true });
  delta(5, ".");
  await tick();
  expect(texts(client).at(-1)).toBe("Hello, all of it.");
  gateway.say(conv, "Hello, all of it. End.", { draft: "d1" });
  await tick();
  const last = client.getState().messages.at(-1);
  expect(last).toMatchObject({ key: "d1", body: { text: "Hello, all of it. End." } });
  expect(last).not.toHaveProperty("draft");
  delta(6, "late");
  await tick();
  expect(client.getState().messages.length).toBe(2);
});

test("a draft that is given up goes; one that falls silent is interrupted; stop asks the bot", async () => {
  const { client, gateway } = await connected();
  client.sendMessage("hi");
  await tick();
  const conv = client.conversationId ?? "";
  gateway.broadcast({ t: "delta", conv, mid: "d1", n: 0, s: "a" });
  gateway.broadcast({ t: "delta", conv, mid: "d2", n: 0, s: "b" });
  gateway.broadcast({ t: "delta", conv, mid: "d1", n: 1, s: "", end: true });
  await tick();
  expect(
    client
      .getState()
      .messages.filter((row) => row.draft)
      .map((row) => row.key),
  ).toEqual(["d2"]);
  client.stop();
  await tick(61_000);
  expect(gateway.received("event")).toMatchObject([{ name: "stop", data: { draft: "d2" } }]);
  expect(client.getState().messages.at(-1)?.draft).toBe("interrupted");
});

test("typing is shown for 30 s at most, and a message ends it", async () => {
  const { client, gateway, of } = await connected();
  client.sendMessage("hi");
  await tick();
  const conv = client.conversationId ?? "";
  gateway.broadcast({ t: "typing", conv, on: true, by: "bot" });
  await tick();
  expect(client.getState().typing).toEqual({ by: "bot" });
  await tick(31_000);
  expect(client.getState().typing).toBeNull();
  gateway.broadcast({ t: "typing", conv, on: true, by: "bot" });
  gateway.say(conv, "there");
  await tick();
  expect(client.getState().typing).toBeNull();
  expect(of("typing").map(({ on }) => on)).toEqual([true, false, true, false]);
});

test("the visitor's typing is told every 3 s at most, and only where the channel asks", async () => {
  const { client, gateway } = await connected();
  client.sendMessage("hi");
  await tick();
  client.typing();
  await tick();
  expect(gateway.received("typing")).toEqual([]);
  await Promise.all([client.loadConfig(), tick()]);
  for (let n = 0; n < 8; n++) {
    client.typing();
    await tick(500);
  }
  expect(gateway.received("typing").map(({ on }) => on)).toEqual([true, true]);
  await tick(6000);
  expect(gateway.received("typing").at(-1)?.on).toBe(false);
});

test("unread counts what others said after the mark; read is told and kept over a reload", async () => {
  const { client, gateway, browser } = await connected();
  client.sendMessage("hi");
  await tick();
  const conv = client.conversationId ?? "";
  gateway.say(conv, "one");
  gateway.say(conv, "two");
  await tick();
  expect(client.getState().unread).toBe(2);
  client.markRead();
  await tick();
  expect(client.getState().unread).toBe(0);
  expect(gateway.received("read")).toEqual([{ t: "read", conv, seq: 3 }]);
  gateway.say(conv, "three");
  await tick(2000);
  expect(gateway.received("seen").at(-1)).toEqual({ t: "seen", conv, seq: 4 });
  client.destroy();
  const again = openTab(gateway, browser);
  void again.client.connect();
  await tick();
  expect(texts(again.client)).toEqual(["hi", "one", "two", "three"]);
  expect(again.client.getState().unread).toBe(1);
});

test("the bot's commands and events reach the page", async () => {
  const { gateway, of } = await connected();
  gateway.broadcast({ t: "cmd", name: "open", data: {}, ttl: 30 });
  gateway.broadcast({ t: "cmd", name: "custom", data: { name: "cart", data: 7 } });
  await tick();
  expect(of("command")).toEqual([{ name: "open", data: {} }]);
  expect(of("customEvent")).toEqual([{ name: "cart", data: 7 }]);
});

test("an event for the bot resolves when it is stored, and rejects when it is refused", async () => {
  const { client, gateway } = await connected({
    nack: (frame) => (frame.t === "event" && frame.name === "no" ? { code: "bad" } : undefined),
  });
  const done = client.sendEvent("trigger", { page: "pricing" });
  const refused = expect(client.sendEvent("no")).rejects.toMatchObject({ code: "bad" });
  await tick(200);
  await done;
  await refused;
  expect(gateway.received("event")[0]).toMatchObject({ name: "trigger", data: { page: "pricing" } });
});

test("a proactive message opens its conversation and counts as unread", async () => {
  const { client, gateway, of } = await connected();
  const conversation = gateway.openConversation("u1");
  gateway.say(conversation.id, "Need help?");
  await tick();
  expect(client.conversationId).toBe(conversation.id);
  expect(texts(client)).toEqual(["Need help?"]);
  expect(client.getState().unread).toBe(1);
  expect(of("message").length).toBe(1);
});

test("state is a new object per change, untouched parts stay, and listeners that throw break nothing", async () => {
  const { client, gateway } = await connected();
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  client.on("message", () => {
    throw new Error("a listener's mistake");
  });
  client.subscribe(() => {
    throw new Error("another one's");
  });
  client.sendMessage("hi");
  await tick();
  const before = client.getState();
  gateway.say(client.conversationId ?? "", "there");
  await tick();
  const after = client.getState();
  expect(after).not.toBe(before);
  expect(after.messages).not.toBe(before.messages);
  expect(after.messages[0]).toBe(before.messages[0]);
  expect(after.user).toBe(before.user);
  expect(texts(client)).toEqual(["hi", "there"]);
});
