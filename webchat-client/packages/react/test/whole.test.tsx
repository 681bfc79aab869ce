// A whole visit by the React components: real client, mock gateway.
import { StrictMode } from "react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClient, type Client } from "@portico/webchat";
import { MockGateway } from "../../client/test/mock-gateway.ts";
import { Composer, Container, Header, MessageList, PorticoProvider, useComposer, useConnection, useMessages, useUnread, useUser, Webchat, WebchatProvider, type RendererProps } from "../src/index.ts";
import { click, draw, enter, settle, until, write } from "./drawn.ts";

let gateway: MockGateway;
const clients: Client[] = [];
beforeEach(() => {
  gateway = new MockGateway({ bot: (text) => [`you said ${text}`] });
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});
function client(): Client {
  const made = createClient({ channel: "site", url: "https://gateway.test", ...gateway.surroundings });
  clients.push(made);
  return made;
}
const shadow = (): ShadowRoot => {
  const root = document.querySelector("portico-webchat")?.shadowRoot;
  if (!root) throw new Error("no shadow root");
  return root;
};

test("the finished widget opens by its launcher, sends what is written and shows the answer", async () => {
  await draw(<PorticoProvider client={client()}><Webchat /></PorticoProvider>);
  const launcher = await until(() => shadow().querySelector(".pt-launcher"), "launcher");
  expect(shadow().querySelector(".pt-panel")).toBeNull();
  expect(gateway.opened, "no socket before anybody wants one").toBe(0);

  await click(launcher);
  const field = await until(() => shadow().querySelector<HTMLTextAreaElement>("textarea"), "composer");
  await write(field, "hello");
  await enter(field);
  await until(() => shadow().textContent?.includes("you said hello"), "answer");
  expect(gateway.stored().map(({ from, text }) => [from, text])).toEqual([["user", "hello"], ["bot", "you said hello"]]);
  expect(field.value).toBe("");
});

test("the parts by themselves make a chat, and hooks beside them tell of it", async () => {
  function Beside() {
    const { messages } = useMessages();
    const { user } = useUser();
    return <output>{`${useConnection().state} ${user?.id ?? "nobody"} ${messages.length} ${useUnread()}`}</output>;
  }
  const { box } = await draw(
    <WebchatProvider client={client()} configuration={{ botName: "Iris" }}>
      <Container><Header /><MessageList /><Composer /></Container>
      <Beside />
    </WebchatProvider>,
  );
  await until(() => box.querySelector("output")?.textContent?.startsWith("open"), "connection");
  expect(box.querySelector(".pt-header h2")?.textContent).toBe("Iris");
  expect(box.querySelectorAll(".pt-root")).toHaveLength(1);
  const field = box.querySelector("textarea") as HTMLTextAreaElement;
  await write(field, "hi");
  await enter(field);
  await until(() => box.querySelector("output")?.textContent?.includes(" 2 0"), "two messages, both read");
});

test("a renderer of the page's own may use hooks and answers by select; one that throws is replaced", async () => {
  const seen = vi.fn();
  function Order({ body, select }: RendererProps<any>) {
    const { messages } = useMessages();
    seen(messages.length);
    return <button type="button" className="order" onClick={() => select({ label: "Yes", value: "confirm" })}>{String(body.data.total)}</button>;
  }
  function Broken(): never {
    throw new Error("not today");
  }
  const complain = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const chat = client();
  const { box } = await draw(
    <PorticoProvider client={chat} renderers={{ order: Order, location: Broken }}><Container /></PorticoProvider>,
  );
  await until(() => chat.getState().connection.state === "open", "connection");
  const { id } = await chat.newConversation();
  gateway.append(id, "msg", { id: "m1", from: "bot", type: "custom", name: "order", data: { total: 42 }, fallback: "an order" });
  gateway.append(id, "msg", { id: "m2", from: "bot", type: "location", lat: 1, lon: 2, title: "The shop" });
  const button = await until(() => box.querySelector(".order"), "renderer");
  expect(button.textContent).toBe("42");
  expect(seen).toHaveBeenCalled();
  await until(() => box.textContent?.includes("The shop"), "standard location");
  expect(complain).toHaveBeenCalled();
  await click(button);
  await until(() => gateway.stored().some((message) => message.value === "confirm" && message.text === "Yes"), "answer");
});

test("what a server drew is taken over without a difference, also where the visitor was here before", async () => {
  const before = client();
  before.shared.set("draft", "half a sente");
  const app = (chat: Client) => (
    <PorticoProvider client={chat}><Container className="room"><MessageList /><Composer /></Container><Webchat /><Count /></PorticoProvider>
  );
  function Count() {
    return <output>{`${useMessages().messages.length} ${useComposer().text}`}</output>;
  }
  const chat = client();
  const box = document.createElement("div");
  document.body.append(box);
  box.innerHTML = renderToString(app(chat));
  expect(box.textContent).toBe("0 ");
  const wrong = vi.fn();
  const root = hydrateRoot(box, app(chat), { onRecoverableError: wrong });
  await until(() => box.querySelector("textarea")?.value === "half a sente", "the draft");
  expect(box.querySelector("output")?.textContent).toBe("0 half a sente");
  expect(wrong).not.toHaveBeenCalled();
  root.unmount();
});

test("strict mode begins, ends and begins again: one session, and the end is an end", async () => {
  const own = vi.spyOn(globalThis, "fetch").mockImplementation(gateway.surroundings.fetch);
  vi.stubGlobal("WebSocket", gateway.surroundings.WebSocket);
  const events: string[] = [];
  const chat = await draw(
    <StrictMode>
      <PorticoProvider channel="site" url="https://gateway.test" storage="none" onEvent={(event) => events.push(event)}><Container /></PorticoProvider>
    </StrictMode>,
  );
  await until(() => events.includes("ready"), "ready");
  await settle(50);
  expect(gateway.received("hello")).toHaveLength(1);
  expect(gateway.sockets.size).toBe(1);
  await chat.end();
  await settle(50);
  expect(gateway.sockets.size).toBe(0);
  own.mockRestore();
  vi.unstubAllGlobals();
});
