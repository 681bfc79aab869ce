// Configuration, events and commands, with a client that is told what to say.
import { expect, test, vi } from "vitest";
import { fakeClient, message, type FakeClient } from "../../view/test/fake-client.ts";
import { Container, Fab, PorticoProvider, useComposer, useConversations, useTyping, useWebchat, Webchat, type WebchatConfig } from "../src/index.ts";
import { click, draw, settle, until, write } from "./drawn.ts";

function fake(config: object = {}, state: Parameters<typeof fakeClient>[0] = {}): FakeClient {
  return Object.assign(fakeClient(state), { loadConfig: () => Promise.resolve(config) });
}

test("the gateway's look comes first, the page's over it, and what the gateway keeps stays", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const client = fake({ channel: "site", name: "Shop", description: "We help", accent: "#123456", typing: true, limits: {}, overridable: ["description"] });
  function Shown() {
    const { settings } = useWebchat();
    return <output>{`${settings.botName}|${settings.description}|${settings.accent}`}</output>;
  }
  const config: WebchatConfig = { description: "Mine", accent: "#ff0000" };
  const { box, again } = await draw(<PorticoProvider client={client} config={config}><Shown /></PorticoProvider>);
  expect(box.textContent).toBe("Shop|Mine|#123456");
  expect(warn).toHaveBeenCalledWith(expect.stringContaining("accent: is set by the gateway"));
  await again(<PorticoProvider client={client} config={{ ...config, description: "Other" }}><Shown /></PorticoProvider>);
  expect(box.textContent).toBe("Shop|Other|#123456");
});

test("without the gateway's configuration the page's holds, and it is asked for again with the link", async () => {
  const client = fake();
  const load = vi.fn(() => Promise.reject(new Error("away")));
  Object.assign(client, { loadConfig: load });
  function Name() {
    return <output>{useWebchat().settings.botName}</output>;
  }
  const { box } = await draw(<PorticoProvider client={client} config={{ botName: "Ina" }}><Name /></PorticoProvider>);
  expect(box.textContent).toBe("Ina");
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const before = load.mock.calls.length;
  Object.assign(client, { loadConfig: () => Promise.resolve({ name: "Shop", botName: "Real", overridable: [] }) });
  client.emit("connection", { state: "open", attempt: 0 });
  await settle();
  expect(box.textContent).toBe("Real");
  expect(before).toBe(1);
  expect(warn).toHaveBeenCalledWith(expect.stringContaining("botName"));
});

test("the bot opens, closes, hides and configures; the page hears of it", async () => {
  const client = fake();
  const events: [string, unknown][] = [];
  function Shown() {
    const { isOpen, launcher, settings } = useWebchat();
    return <output>{`${isOpen} ${launcher} ${settings.footer ?? ""}`}</output>;
  }
  const { box } = await draw(<PorticoProvider client={client} onEvent={(event, payload) => events.push([event, payload])}><Shown /></PorticoProvider>);
  client.emit("command", { name: "open", data: {} });
  client.emit("command", { name: "config", data: { footer: "Closed on Sunday" } });
  await settle();
  expect(box.textContent).toBe("true true Closed on Sunday");
  client.emit("command", { name: "hide", data: {} });
  await settle();
  expect(box.textContent).toBe("false false Closed on Sunday");
  expect(events.map(([event]) => event)).toEqual(expect.arrayContaining(["opened", "configChanged", "closed", "visibility"]));
  expect(client.calls.filter(([name]) => name === "connect")).toHaveLength(1);
});

test("a listener that throws does not break the chat", async () => {
  const client = fake();
  function Open() {
    const { isOpen, open } = useWebchat();
    return <button type="button" onClick={open}>{String(isOpen)}</button>;
  }
  const late: (() => void)[] = [];
  const { box } = await draw(<PorticoProvider client={client} onEvent={() => { throw new Error("the page's own fault"); }}><Open /></PorticoProvider>);
  const timers = vi.spyOn(globalThis, "setTimeout").mockImplementationOnce(((run: () => void) => late.push(run)) as never);
  await click(box.querySelector("button") as Element);
  timers.mockRestore();
  await settle();
  expect(box.textContent).toBe("true");
  expect(late[0]).toThrow("the page's own fault");
});

test("a closable container follows its launcher", async () => {
  const { box } = await draw(<PorticoProvider client={fake()}><Fab /><Container closable className="mine" /></PorticoProvider>);
  const mine = box.querySelector<HTMLElement>(".mine");
  const fab = await until(() => box.querySelector(".pt-launcher"), "launcher");
  expect(mine?.hidden).toBe(true);
  await click(fab);
  expect(mine?.hidden).toBe(false);
  await click(box.querySelector(".pt-launcher") as Element);
  expect(mine?.hidden).toBe(true);
});

test("useComposer makes a composer without any of ours", async () => {
  const client = fake({}, { limits: { frame: 1000, text: 5, file: 100 } });
  function Mine() {
    const { text, setText, send, ready, over } = useComposer();
    return (
      <form onSubmit={(event) => { event.preventDefault(); send(); }}>
        <input value={text} onChange={(event) => setText(event.target.value)} />
        <button type="submit" disabled={!ready}>{over}</button>
      </form>
    );
  }
  const { box } = await draw(<PorticoProvider client={client}><Mine /></PorticoProvider>);
  const field = box.querySelector("input") as HTMLInputElement;
  const button = box.querySelector("button") as HTMLButtonElement;
  expect(button.disabled).toBe(true);
  await write(field, "too long");
  expect([button.disabled, button.textContent]).toEqual([true, "3"]);
  await write(field, "hello");
  expect(button.disabled).toBe(false);
  await click(button);
  expect(client.calls).toContainEqual(["sendMessage", "hello", {}]);
  expect(field.value).toBe("");
});

test("useTyping names the bot as the settings do, useConversations asks for its list", async () => {
  const client = Object.assign(fakeClient({ typing: { by: "bot" } }, [{ id: "c9", updatedAt: 1, unread: 0 }]), { loadConfig: () => Promise.resolve({}) });
  function Shown() {
    const typing = useTyping();
    const { conversations, loading } = useConversations();
    return <output>{`${typing?.name} ${loading} ${conversations.map((one) => one.id).join()}`}</output>;
  }
  const { box } = await draw(<PorticoProvider client={client} config={{ botName: "Iris" }}><Shown /></PorticoProvider>);
  expect(box.textContent).toBe("Iris false c9");
});

test("a widget in the page's own tree and one in a shadow root carry the same parts", async () => {
  const state = { messages: [message("bot", { type: "text", text: "Welcome" })] };
  const open = await draw(<PorticoProvider client={fake({}, state)}><Webchat mode="inline" isolated={false} className="open" /></PorticoProvider>);
  await until(() => open.box.querySelector(".open .pt-panel")?.textContent?.includes("Welcome"), "message in the page");
  const closed = await draw(<PorticoProvider client={fake({}, state)}><Webchat mode="inline" className="closed" /></PorticoProvider>);
  const host = closed.box.querySelector(".closed portico-webchat");
  await until(() => host?.shadowRoot?.textContent?.includes("Welcome"), "message in the shadow");
  expect(closed.box.textContent).toBe("");
});

test("what the language is called for is what the components speak", async () => {
  const { box } = await draw(<PorticoProvider client={fake()} config={{ locale: "ar" }}><Container /></PorticoProvider>);
  const root = await until(() => box.querySelector<HTMLElement>('.pt-root[dir="rtl"]'), "direction");
  expect(root.lang).toBe("ar");
});

test("outside of a provider a component says what is missing", async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  await expect(draw(<Fab />)).rejects.toThrow("<PorticoProvider>");
  await expect(draw(<Container />)).rejects.toThrow("<PorticoProvider>");
  await expect(draw(<PorticoProvider />)).rejects.toThrow("channel");
});
