/** Sessions, identity, tabs, storage, conversations and files. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ClientOptions, createClient, getClient } from "../src/index.ts";
import { Browser, connected, jwt, openTab, texts, tick } from "./world.ts";
import { MockGateway } from "./mock-gateway.ts";
import { MemoryStorage } from "./stand-ins.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const keys = (storage: Storage): string[] =>
  Array.from({ length: storage.length }, (_, n) => storage.key(n) ?? "").sort();

test("a reload brings back session, conversation and what was not yet sent", async () => {
  const { client, gateway, browser } = await connected({ bot: (text) => [`answer to ${text}`] });
  client.sendMessage("one");
  await tick();
  gateway.options.offline = true;
  gateway.drop();
  client.sendMessage("two");
  await tick();
  client.destroy();
  gateway.options.offline = false;
  const again = openTab(gateway, browser);
  expect(again.client.conversationId).toBe(client.conversationId);
  void again.client.connect();
  await tick(1000);
  expect(texts(again.client)).toEqual(["one", "answer to one", "two", "answer to two"]);
  expect(gateway.users.size).toBe(1);
});

test("two tabs opened together make one visitor", async () => {
  const gateway = new MockGateway();
  const browser = new Browser();
  const tabs = [openTab(gateway, browser), openTab(gateway, browser)];
  for (const { client } of tabs) void client.connect();
  await tick(500);
  expect(gateway.users.size).toBe(1);
  expect(tabs.map(({ client }) => client.userId)).toEqual(["u1", "u1"]);
});

test("what one tab says the other shows, at once and once", async () => {
  const { client, gateway, browser } = await connected();
  client.sendMessage("first");
  await tick();
  const other = openTab(gateway, browser);
  void other.client.connect();
  await tick();
  gateway.options.ignore = (frame) => frame.t === "send";
  const { id } = client.sendMessage("second");
  await tick();
  expect(other.client.getState().messages.at(-1)).toMatchObject({ key: id, status: "sending" });
  delete gateway.options.ignore;
  await tick(60_000);
  expect(texts(other.client)).toEqual(["first", "second"]);
  expect(other.client.getState().messages.at(-1)).toMatchObject({ key: id, status: "sent", seq: 2 });
  expect(gateway.stored().length).toBe(2);
});

test("the outbox of a tab that is gone is adopted by one that lives", async () => {
  const { client, gateway, browser } = await connected();
  const other = openTab(gateway, browser);
  void other.client.connect();
  await tick();
  gateway.options.offline = true;
  gateway.drop();
  client.sendMessage("orphan");
  await tick();
  client.destroy();
  await tick();
  gateway.options.offline = false;
  await tick(120_000);
  expect(gateway.stored().map(({ text }) => text)).toEqual(["orphan"]);
  expect(keys(browser.localStorage).filter((key) => key.includes("outbox"))).toEqual([]);
});

test("read marks and shared values reach the other tab", async () => {
  const { client, gateway, browser } = await connected();
  client.sendMessage("hi");
  await tick();
  const other = openTab(gateway, browser);
  void other.client.connect();
  await tick();
  gateway.say(client.conversationId ?? "", "there");
  await tick();
  expect(other.client.getState().unread).toBe(1);
  const seen: unknown[] = [];
  other.client.shared.watch("open", (value) => seen.push(value));
  client.shared.set("open", true);
  client.markRead();
  await tick();
  expect(other.client.getState().unread).toBe(0);
  expect(seen).toEqual([true]);
  expect(other.client.shared.get("open")).toBe(true);
});

test("logout ends the session at the gateway and in every tab, and leaves nothing in storage", async () => {
  const { client, gateway, browser, of } = await connected();
  const other = openTab(gateway, browser);
  void other.client.connect();
  client.sendMessage("secret");
  await tick();
  const done = client.logout();
  await tick();
  await done;
  expect(gateway.users.size).toBe(0);
  expect(of("logout")).toEqual([{ here: true }]);
  for (const each of [client, other.client]) {
    expect(each.getState().messages).toEqual([]);
    expect(each.getState().user).toBeNull();
    expect(each.getState().connection.state).toBe("idle");
  }
  expect(keys(browser.localStorage)).toEqual([]);
});

test("a token from a function: asked anew before it expires and after 4401, sent by hello and auth", async () => {
  let asked = 0;
  const getToken = () => jwt({ sub: "ana", n: ++asked, exp: Math.floor(Date.now() / 1000) + 300 });
  const { gateway } = await connected({}, { getToken });
  expect(gateway.received("hello")[0]?.jwt).toBeDefined();
  await tick(250_000);
  expect(gateway.received("auth").length).toBe(1);
  expect(asked).toBe(2);
  gateway.drop(4401);
  await tick(1000);
  expect(asked).toBe(3);
  expect(gateway.received("hello").length).toBe(2);
});

test("another person than before: nothing of the first one is kept, shown or sent", async () => {
  const { client, gateway, browser } = await connected();
  const first = client.identify(jwt({ sub: "ana" }));
  await tick();
  await first;
  client.sendMessage("ana's secret");
  await tick();
  const second = client.identify(jwt({ sub: "bob" }));
  await tick();
  await second;
  expect(client.getState().messages).toEqual([]);
  expect(gateway.received("hello").at(-1)).not.toHaveProperty("tok");
  expect(client.userId).not.toBe("u1");
  expect(browser.localStorage.getItem("portico:site:sub")).toBe("bob");
});

test("an identity function that fails is reported and asked again", async () => {
  let fail = true;
  const { client, of } = await connected(
    {},
    {
      getToken: async () => {
        if (fail) throw new Error("not signed in");
        return jwt({ sub: "ana" });
      },
    },
  );
  await tick(2000);
  expect(of("error")[0]).toMatchObject({ code: "auth" });
  fail = false;
  await tick(30_000);
  expect(client.getState().connection.state).toBe("open");
});

test("no consent, no trace: storage none keeps nothing, and moves the live session on consent", async () => {
  const { client, gateway, browser } = await connected({}, { storage: "none" });
  client.sendMessage("hi");
  await tick();
  expect(keys(browser.localStorage)).toEqual([]);
  client.setStorage("local");
  expect(browser.localStorage.getItem("portico:site:token")).toBeTruthy();
  client.destroy();
  const again = openTab(gateway, browser);
  void again.client.connect();
  await tick();
  expect(texts(again.client)).toEqual(["hi"]);
  expect(gateway.users.size).toBe(1);
});

test("blocked and full storage fall back to memory", async () => {
  class Blocked extends MemoryStorage {
    override setItem(): void {
      throw new DOMException("full", "QuotaExceededError");
    }
  }
  const { client, gateway } = await connected({}, { surroundings: { localStorage: new Blocked() } });
  client.sendMessage("hi");
  await tick();
  expect(gateway.stored().length).toBe(1);
  gateway.drop();
  await tick(2000);
  expect(gateway.received("hello").at(-1)?.tok).toBeTruthy();
});

test("the profile is validated, stored and shown", async () => {
  const { client, gateway, of } = await connected();
  await expect(client.updateUser({ data: { big: "x".repeat(501) } })).rejects.toThrow(/data\.big/);
  const done = client.updateUser({ name: "Ana", data: { plan: "gold" } });
  await tick();
  await done;
  expect(gateway.received("user")).toMatchObject([{ data: { name: "Ana", data: { plan: "gold" } } }]);
  expect(client.getUser()).toMatchObject({ id: "u1", name: "Ana", data: { plan: "gold" } });
  expect(of("user").length).toBe(2);
});

test("conversations: new, list, switch, exists, transcript, delete", async () => {
  const { client, gateway } = await connected();
  const wait = async <T>(promise: Promise<T>): Promise<T> => {
    promise.catch(() => undefined);
    await tick();
    return promise;
  };
  client.sendMessage("in the first");
  await tick();
  const first = client.conversationId ?? "";
  const { id: second } = await wait(client.newConversation());
  expect(client.conversationId).toBe(second);
  expect(client.getState().messages).toEqual([]);
  client.sendMessage("in the second");
  await tick();
  expect((await wait(client.listConversations())).map(({ id }) => id).sort()).toEqual([first, second].sort());
  gateway.say(first, "while away");
  await tick();
  expect(client.getState().unread).toBe(1);
  expect(client.getState().messages.length).toBe(1);
  await wait(client.switchConversation(first));
  expect(texts(client)).toEqual(["in the first", "while away"]);
  expect(await wait(client.conversationExists(second))).toBe(true);
  expect(await wait(client.conversationExists("nope"))).toBe(false);
  expect(await (await wait(client.transcript("txt"))).text()).toBe("transcript");
  await expect(wait(client.switchConversation("nope"))).rejects.toMatchObject({ code: "not_found" });
  expect(client.conversationId).toBe(first);
  await wait(client.deleteConversation(first));
  expect(client.conversationId).toBeNull();
  expect(client.getState().conversations.map(({ id }) => id)).toEqual([second]);
});

test("history comes in pages, oldest last, and stops at the beginning", async () => {
  const { client, gateway, browser } = await connected();
  client.sendMessage("hi");
  await tick();
  const conv = client.conversationId ?? "";
  for (let n = 0; n < 119; n++) gateway.say(conv, `m${n}`);
  await tick();
  client.destroy();
  const again = openTab(gateway, browser);
  void again.client.connect();
  await tick();
  expect(again.client.getState().messages.length).toBe(50);
  for (const expected of [100, 120]) {
    const more = again.client.loadMore();
    await tick();
    await more;
    expect(again.client.getState().messages.length).toBe(expected);
  }
  expect(again.client.getState().history).toEqual({ loaded: true, loading: false, more: false });
  expect(texts(again.client).slice(0, 2)).toEqual(["hi", "m0"]);
  expect(again.of("message")).toEqual([]);
});

test("a file is checked, uploaded, then sent as a message like any other", async () => {
  const { client, gateway } = await connected({}, { config: { upload: { accept: ["image/*"], maxBytes: 10 } } });
  await expect(client.sendFile(new Blob(["x".repeat(11)], { type: "image/png" }))).rejects.toMatchObject({
    code: "too_large",
  });
  await expect(client.sendFile(new Blob(["x"], { type: "text/html" }))).rejects.toMatchObject({ code: "upload" });
  const sent = client.sendFile(Object.assign(new Blob(["abc"], { type: "image/png" }), { name: "cat.png" }));
  await tick();
  const { id } = await sent;
  await tick();
  expect(gateway.stored()).toMatchObject([
    { cid: id, type: "image", file: "f1", url: "http://gateway.test/f/f1", mime: "image/png" },
  ]);
  expect(client.getState().messages).toMatchObject([
    { key: id, status: "sent", body: { type: "image", url: "http://gateway.test/f/f1" } },
  ]);
});

test("an upload waits for the network", async () => {
  const { client, gateway } = await connected();
  gateway.options.offline = true;
  gateway.drop();
  const sent = client.sendFile(new Blob(["abc"], { type: "text/plain" }));
  await tick(5000);
  expect(client.getState().messages).toMatchObject([{ status: "sending" }]);
  gateway.options.offline = false;
  await tick(60_000);
  await sent;
  expect(gateway.stored().length).toBe(1);
});

test("the package is imported and a client made where there is no browser", () => {
  vi.stubGlobal("document", undefined);
  const options: ClientOptions = { channel: "site", url: "https://gateway.test/" };
  const client = createClient(options);
  expect(client.getState()).toMatchObject({ messages: [], connection: { state: "idle" }, conversationId: null });
  expect(client.apiUrl).toBe("https://gateway.test");
  expect(() => createClient({ channel: "../etc" })).toThrow(/channel/);
  const alias = getClient({ clientId: "site", apiUrl: "https://gateway.test" });
  expect([alias.mode, alias.clientId, alias.apiUrl]).toEqual(["messaging", "site", "https://gateway.test"]);
});

test("what waits for a conversation that did not come along goes to where the visitor is now", async () => {
  const { client, gateway } = await connected();
  client.sendMessage("first");
  await tick();
  gateway.options.offline = true;
  gateway.drop();
  client.sendMessage("second");
  // The gateway knows the token as somebody else's now, who has no conversation yet.
  for (const token of gateway.users.keys()) gateway.users.set(token, "u-verified");
  gateway.options.offline = false;
  await tick(5000);
  const [old, fresh] = [...gateway.conversations.values()];
  expect([old?.owner, fresh?.owner]).toEqual(["u1", "u-verified"]);
  expect(gateway.stored(fresh?.id).map(({ text }) => text)).toEqual(["second"]);
  expect(gateway.received("send").at(-1)).not.toHaveProperty("conv");
  expect(client.conversationId).toBe(fresh?.id);
  expect(texts(client)).toEqual(["second"]);
});

test("a channel that wants an identity says so", async () => {
  const { gateway, client, of } = await connected();
  client.destroy();
  const fresh = openTab(gateway, new Browser());
  void fresh.client.connect().catch(() => undefined);
  gateway.options.cut = () => false;
  await tick(1);
  gateway.drop(4401);
  await tick();
  expect(fresh.of("error")).toMatchObject([{ code: "auth" }]);
  expect(of("error")).toEqual([]);
});

test("a frame whose browser refuses locks connects all the same, once", async () => {
  const locks = { request: () => Promise.reject(new DOMException("The request was denied.", "SecurityError")) };
  const { client, gateway } = await connected({}, { surroundings: { locks: locks as unknown as LockManager } });
  expect(client.getState().connection.state).toBe("open");
  expect(gateway.received("hello")).toHaveLength(1);
});
