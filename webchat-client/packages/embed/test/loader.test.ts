// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Api } from "../src/handle.ts";

const page = window as unknown as { portico?: Api; botpress?: unknown };

/** The script tag as a page has it, and the loader run once. */
async function tag(data: Record<string, string>, src = "https://gw.example/webchat/v1/embed.js"): Promise<void> {
  const script = document.createElement("script");
  for (const [name, value] of Object.entries(data)) script.dataset[name] = value;
  Object.defineProperty(script, "src", { value: src });
  Object.defineProperty(document, "currentScript", { value: script, configurable: true });
  vi.resetModules();
  await import("../src/loader.ts");
}

beforeEach(() => {
  vi.stubGlobal("VERSION", "1.2.3");
  vi.stubGlobal("FRAME", "abc/frame.js");
});
afterEach(() => {
  delete page.portico;
  delete page.botpress;
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("the script tag", () => {
  test("puts window.portico on the page at once", async () => {
    await tag({ channel: "site", manual: "" });
    expect(page.portico).toMatchObject({ version: "1.2.3", channelId: "site", apiUrl: "https://gw.example", initialized: false, state: "closed", unreadCount: 0 });
  });
  test("a gateway below a path is found, and so is a pinned address", async () => {
    await tag({ channel: "site", manual: "" }, "https://gw.example/chat/webchat/assets/abc/embed.js");
    expect(page.portico?.apiUrl).toBe("https://gw.example/chat");
  });
  test("loaded twice, the first one stays", async () => {
    await tag({ channel: "site", manual: "" });
    const first = page.portico;
    await tag({ channel: "site", manual: "" });
    expect(page.portico).toBe(first);
  });
  test("the seed's names appear only when asked for", async () => {
    await tag({ channel: "site", manual: "" });
    expect(page.botpress).toBeUndefined();
    delete page.portico;
    await tag({ channel: "site", manual: "", compat: "botpress" });
    expect(page.botpress).toBeTypeOf("object");
  });
  test("data-manual asks nothing of the gateway before init()", async () => {
    const fetched = vi.fn(() => Promise.resolve(new Response("{}", { status: 404 })));
    vi.stubGlobal("fetch", fetched);
    vi.spyOn(console, "warn").mockImplementation(() => undefined);
    await tag({ channel: "site", manual: "" });
    const open = page.portico?.open();
    open?.catch(() => undefined);
    await Promise.resolve();
    expect(fetched).not.toHaveBeenCalled();
    await expect(page.portico?.init({ botName: "M" })).rejects.toThrow('there is no channel "site" at https://gw.example');
    expect(fetched).toHaveBeenCalledTimes(1);
    await expect(open).rejects.toThrow("there is no channel");
  });
});

describe("what cannot be loaded", () => {
  test("is told once, to listeners and to whoever waits", async () => {
    vi.stubGlobal("fetch", () => Promise.resolve(new Response("", { status: 403 })));
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    await tag({ channel: "site", manual: "" });
    const heard = vi.fn();
    page.portico?.on("error", heard);
    await expect(page.portico?.init()).rejects.toThrow('is not among the origins of channel "site"');
    expect(heard).toHaveBeenCalledWith({ code: "load", message: expect.stringContaining("origins") as string });
    expect(warn).toHaveBeenCalledTimes(1);
  });
  test("a missing channel says how to name one", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => undefined);
    await tag({ manual: "" });
    await expect(page.portico?.init()).rejects.toThrow('data-channel="…"');
  });
});

describe("listeners", () => {
  test("off and the function that on gives both end it", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => undefined);
    await tag({ manual: "" });
    const [a, b] = [vi.fn(), vi.fn()];
    const stop = page.portico?.on("error", a);
    page.portico?.on("*", b);
    stop?.();
    await page.portico?.init().catch(() => undefined);
    expect(a).not.toHaveBeenCalled();
    expect(b).toHaveBeenCalledWith({ type: "error", payload: expect.objectContaining({ code: "load" }) as object });
  });
});
