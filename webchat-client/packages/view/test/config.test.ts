import { describe, expect, test } from "vitest";
import { INVERTED, RENAMED } from "../src/config/aliases.ts";
import { expected, explain } from "../src/config/explain.ts";
import { READERS } from "../src/config/read.ts";
import { resolve } from "../src/config/resolve.ts";
import { DEFAULTS } from "../src/config/settings.ts";
import { settle } from "../src/config/settle.ts";

describe("layers", () => {
  test("gateway is under init, init under config", () => {
    const { settings, warnings } = resolve({ gateway: { accent: "#111111", width: 300, botName: "G" }, init: { accent: "#222222", width: "24rem" }, patches: [{ accent: "#333333" }] });
    expect(settings).toMatchObject({ accent: "#333333", width: "24rem", botName: "G" });
    expect(warnings).toEqual([]);
  });
  test("nothing said is the default", () => {
    expect(resolve({}).settings).toEqual(DEFAULTS);
  });
  test("a page may set only what the gateway lets it", () => {
    const { settings, warnings } = resolve({ gateway: { html: false }, overridable: ["accent"], init: { html: true, accent: "#123456", user: { name: "Ana" } } });
    expect(settings.html).toBe(false);
    expect(settings.accent).toBe("#123456");
    expect(settings.user).toEqual({ name: "Ana" });
    expect(warnings).toEqual(["html: is set by the gateway and not for the page to change"]);
  });
  test("user data is for init; later it is updateUser", () => {
    const { settings, warnings } = resolve({ patches: [{ userData: { plan: "pro" }, user: { name: "Ana" } }] });
    expect(settings.user).toBeUndefined();
    expect(settings.data).toBeUndefined();
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain("updateUser()");
  });
  test("limits of uploads are merged one by one", () => {
    expect(resolve({ gateway: { upload: { maxBytes: 10, maxFiles: 2 } }, init: { upload: { maxFiles: 1 } } }).settings.upload).toMatchObject({ enabled: true, maxBytes: 10, maxFiles: 1 });
    expect(resolve({ init: { upload: false } }).settings.upload.enabled).toBe(false);
  });
});

describe("faults", () => {
  test("an unknown key is told, with its nearest neighbour", () => {
    expect(resolve({ init: { acent: "#fff" } }).warnings).toEqual(["acent: no such key; did you mean accent?"]);
    expect(resolve({ init: { qwertyuiop: 1 } }).warnings).toEqual(["qwertyuiop: no such key"]);
  });
  test("keys of every object are none of ours", () => {
    const { warnings } = resolve({ init: JSON.parse('{"__proto__":{"x":1},"constructor":1,"toString":2}') as Record<string, unknown> });
    expect(warnings).toEqual(expect.arrayContaining(["constructor: no such key", "toString: no such key"]));
    expect(({} as { x?: number }).x).toBeUndefined();
  });
  test("a wrong kind is told with what was expected, and the default stays", () => {
    const { settings, warnings } = resolve({ init: { launcher: "perhaps", theme: "pink", zIndex: 1.5 } });
    expect(settings).toMatchObject({ launcher: true, theme: "auto", zIndex: DEFAULTS.zIndex });
    expect(warnings).toEqual(["launcher: expected true or false, found a text", "theme: expected one of light, dark, auto, found a text", "zIndex: expected a whole number, found a number"]);
  });
  test("nothing gets out of a CSS value", () => {
    for (const bad of ["1px;color:red", "url(x)", "expression(1)", "1px}"]) expect(resolve({ init: { width: bad } }).settings.width).toBe(DEFAULTS.width);
    for (const bad of ["red;}", "url(//x)", "var(--x)"]) expect(resolve({ init: { accent: bad } }).settings.accent).toBe(DEFAULTS.accent);
    for (const good of ["380px", "24rem", "100%", "min(90vw, 400px)"]) expect(resolve({ init: { width: good } }).settings.width).toBe(good);
  });
  test("addresses that run are no addresses", () => {
    expect(resolve({ init: { botAvatar: "javascript:alert(1)" } }).settings.botAvatar).toBeUndefined();
    expect(resolve({ init: { info: { website: "javascript:alert(1)" } } }).settings.info.website).toBeUndefined();
  });
});

describe("names of the seed", () => {
  test("each leads to a key that exists", () => {
    for (const target of [...Object.values(RENAMED), ...Object.values(INVERTED)]) expect([...Object.keys(READERS), "channel"]).toContain(target);
  });
  test("a whole configuration is understood", () => {
    const { settings, warnings } = resolve({
      init: {
        clientId: "abc",
        configuration: { botName: "Mira", avatarUrl: "https://a.example/a.png", fabImage: "https://a.example/f.png", coverPictureUrl: "/c.png", botDescription: "Hi", themeColor: "#ff0000", containerWidth: "100%", hideWidget: true, disableAnimations: true, disableNotificationSound: true, showCloseButton: false, showTimestamp: true, showConversationsButton: false, enableTranscriptDownload: false, enableConversationDeletion: true, useSessionStorage: true, enablePersistHistory: false, showBotInfoPage: true, website: { title: "Shop", link: "https://shop.example" }, phoneNumber: "+47 22 00", emailAddress: "a@b.example", termsConditions: "shop.example/terms", privacyPolicy: { title: "Privacy", link: "https://shop.example/p" }, userData: { plan: "pro" }, customUser: { name: "Ana" } },
      },
    });
    expect(warnings).toEqual([]);
    expect(settings).toMatchObject({
      botName: "Mira", botAvatar: "https://a.example/a.png", launcherImage: "https://a.example/f.png", coverImage: "/c.png", description: "Hi", accent: "#ff0000", width: "100%", launcher: false, animations: false, sound: false, showClose: false,
      timestamps: "always", conversationList: false, transcript: false, deletion: true, storage: "session", persistHistory: false, showInfo: true, data: { plan: "pro" }, user: { name: "Ana" },
      info: { website: { title: "Shop", link: "https://shop.example" }, phone: { title: "+47 22 00", link: "tel:+4722 00".replace(" ", "") }, email: { link: "mailto:a@b.example" }, terms: { link: "https://shop.example/terms" }, privacy: { title: "Privacy" } },
    });
  });
  test("our name wins over the old one", () => {
    expect(resolve({ init: { botAvatar: "/ours.png", avatarUrl: "/old.png" } }).settings.botAvatar).toBe("/ours.png");
    expect(resolve({ init: { avatarUrl: "/old.png", botAvatar: "/ours.png" } }).settings.botAvatar).toBe("/ours.png");
  });
  test("what cannot be followed is told, with what to do", () => {
    expect(resolve({ init: { googleMapsAPIKey: "k" } }).warnings[0]).toContain("mapUrl");
  });
});

test("the form before a chat is read field by field", () => {
  const { settings } = resolve({ gateway: { preChat: { title: "T", fields: [{ name: "name", label: "Name", required: true }, { label: "nameless" }, { name: "k", kind: "spaceship" }] } } });
  expect(settings.preChat?.fields).toEqual([{ name: "name", label: "Name", kind: "text", required: true }, { name: "k", label: "k", kind: "text" }]);
});

test("each key can say what it expects", () => {
  for (const key of Object.keys(READERS)) expect(expected(key), key).toBeTypeOf("string");
  expect(expected("launch")).toBeUndefined();
});

test("faults are told as facts, and put into words where somebody reads them", () => {
  const { faults } = settle({ overridable: ["accent"], init: { acent: 1, width: [], html: true, stylesheetUrl: "https://x.example/a.css" }, patches: [{ user: {} }] });
  expect(faults).toEqual([["stylesheetUrl", "refused"], ["acent", "unknown"], ["width", "gateway"], ["html", "gateway"], ["user", "start"]]);
  expect(explain([["width", "kind", "a list"], ["stylesheetUrl", "refused"]])).toEqual([
    "width: expected a length like 380px, 24rem or 100%, found a list",
    "stylesheetUrl: a style sheet by address is fetched by the gateway; set css in its configuration",
  ]);
});
