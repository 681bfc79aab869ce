import { describe, expect, test, vi } from "vitest";
import { aliases, EVENT_NAMES, modern, old } from "../src/aliases.ts";
import { METHODS, type Api, type Listener } from "../src/handle.ts";

function api() {
  const calls: [string, ...unknown[]][] = [];
  const listeners: [string, Listener][] = [];
  const on = (event: string, listener: Listener) => {
    listeners.push([event, listener]);
    return () => void listeners.splice(listeners.findIndex(([name, run]) => name === event && run === listener), 1);
  };
  const target = {
    ...Object.fromEntries(METHODS.map((method) => [method, (...args: unknown[]) => (calls.push([method, ...args]), Promise.resolve())])),
    on, once: on, off: vi.fn(), channelId: "site", apiUrl: "https://gw.example", version: "1", initialized: true, state: "opened", configuration: { css: ".x{}" },
  } as unknown as Api;
  return { api: target, calls, listeners, emit: (event: string, payload: unknown) => listeners.filter(([name]) => name === event).forEach(([, run]) => run(payload)) };
}

describe("window.botpress", () => {
  test("has the seed's methods and properties", async () => {
    const { api: target, calls } = api();
    const botpress = modern(target) as Record<string, any>;
    for (const method of ["init", "config", "open", "close", "toggle", "sendMessage", "sendEvent", "getUser", "updateUser"]) await botpress[method]({ a: 1 });
    expect(calls.map(([name]) => name)).toEqual(["init", "config", "open", "close", "toggle", "sendMessage", "sendEvent", "getUser", "updateUser"]);
    expect(botpress).toMatchObject({ clientId: "site", messagingUrl: "https://gw.example", style: ".x{}" });
    expect([botpress["initialized"], botpress["state"], botpress["version"]]).toEqual([true, "opened", "1"]);
    for (const name of ["webchatId", "fabId", "webchatIframe", "fabIframe"]) expect(name in botpress).toBe(true);
  });
  test("hears events under the seed's names", () => {
    const { api: target, listeners } = api();
    const botpress = modern(target) as { on(event: string, run: Listener): () => void };
    for (const name of ["webchat:opened", "webchat:initialized", "message", "MESSAGE.RECEIVED"]) botpress.on(name, () => undefined);
    expect(listeners.map(([name]) => name)).toEqual(["opened", "loaded", "message", "message"]);
  });
});

describe("window.botpressWebChat", () => {
  test.each([
    ["show", "open"], ["hide", "close"], ["toggle", "toggle"], ["toggleBotInfo", "toggleInfo"], ["createConversation", "newConversation"],
  ])("sendEvent %s is %s", async (type, method) => {
    const { api: target, calls } = api();
    await (old(target) as { sendEvent(event: object): unknown }).sendEvent({ type });
    expect(calls).toEqual([[method]]);
  });
  test("payloads, conversations and other events find their methods", async () => {
    const { api: target, calls } = api();
    const chat = old(target) as Record<string, (value?: unknown) => unknown>;
    await chat["sendPayload"]?.({ type: "text", text: "hi" });
    await chat["sendPayload"]?.({ type: "trigger", payload: { x: 1 } });
    await chat["sendEvent"]?.({ type: "loadConversation", conversationId: "c9" });
    await chat["sendEvent"]?.({ type: "proactive-trigger", channel: "web" });
    await chat["init"]?.({ botName: "Mira" });
    expect(calls).toEqual([["sendMessage", "hi"], ["sendEvent", "trigger", { x: 1 }], ["switchConversation", "c9"], ["sendEvent", { type: "proactive-trigger", channel: "web" }], ["init", { botName: "Mira" }]]);
  });
  test("mergeConfig leaves user data out, and says so", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const { api: target, calls } = api();
    await (old(target) as { mergeConfig(patch: object): unknown }).mergeConfig({ botName: "M", userData: { a: "b" } });
    expect(calls).toEqual([["config", { botName: "M" }]]);
    expect(warn.mock.calls[0]?.[0]).toContain("updateUser()");
  });
  test("onEvent hears every v1 name, and lets go of them together", () => {
    const { api: target, listeners, emit } = api();
    const heard: unknown[] = [];
    const stop = (old(target) as { onEvent(run: Listener, types: string[]): () => void }).onEvent((event) => heard.push(event), Object.keys(EVENT_NAMES));
    expect(listeners.map(([name]) => name)).toEqual(Object.values(EVENT_NAMES));
    emit("opened", { x: 1 });
    expect(heard).toEqual([{ type: "UI.OPENED", payload: { x: 1 }, value: { x: 1 } }]);
    stop();
    expect(listeners).toEqual([]);
  });
});

test("names that a page has taken stay the page's", () => {
  const page = { botpress: "theirs" as unknown, botpressWebChat: undefined as unknown };
  aliases(api().api, page);
  expect(page.botpress).toBe("theirs");
  expect(page.botpressWebChat).toBeTypeOf("object");
});
