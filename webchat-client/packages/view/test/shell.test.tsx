// @vitest-environment happy-dom
import { describe, expect, test } from "vitest";
import { accepted } from "../src/composer/files.ts";
import { dayName, lines } from "../src/log/grouping.ts";
import { draw, press, type } from "./draw.tsx";
import { fakeClient, message } from "./fake-client.ts";

describe("the composer", () => {
  test("Enter sends what is written and empties the field", async () => {
    const { client, find, settle } = await draw();
    const field = find<HTMLTextAreaElement>(".pt-text");
    type(field, "  hello  ");
    await settle();
    press(field, "Enter");
    await settle();
    expect(client.calls).toContainEqual(["sendMessage", "hello", {}]);
    expect(field.value).toBe("");
  });
  test("what was sent at once is not kept as a draft; what was not sent is", async () => {
    const { client, find, settle } = await draw();
    const field = find<HTMLTextAreaElement>(".pt-text");
    type(field, "hello");
    await settle();
    press(field, "Enter");
    for (let i = 0; i < 5; i++) await settle();
    expect(client.shared.get("draft")).toBeUndefined();
    type(field, "not yet");
    for (let i = 0; i < 5; i++) await settle();
    expect(client.shared.get("draft")).toBe("not yet");
  });
  test("Shift+Enter, and Enter of an input method, send nothing", async () => {
    const { client, find, settle } = await draw();
    const field = find<HTMLTextAreaElement>(".pt-text");
    type(field, "hello");
    await settle();
    press(field, "Enter", { shiftKey: true });
    press(field, "Enter", { isComposing: true });
    press(field, "Enter", { keyCode: 229 } as KeyboardEventInit);
    expect(client.calls.filter(([name]) => name === "sendMessage")).toEqual([]);
  });
  test("Up in the empty field brings back what was said, Down returns; never a bot's words", async () => {
    const { find, settle } = await draw({ client: fakeClient({ messages: [message("user", { type: "text", text: "first" }), message("bot", { type: "text", text: "answer" }), message("user", { type: "text", text: "second" })] }) });
    const field = find<HTMLTextAreaElement>(".pt-text");
    for (const [key, value] of [["ArrowUp", "second"], ["ArrowUp", "first"], ["ArrowUp", "first"], ["ArrowDown", "second"], ["ArrowDown", ""]] as const) {
      press(field, key);
      await settle();
      expect(field.value).toBe(value);
    }
  });
  test("Up in a written text stays with the text", async () => {
    const { find, settle } = await draw({ client: fakeClient({ messages: [message("user", { type: "text", text: "first" })] }) });
    const field = find<HTMLTextAreaElement>(".pt-text");
    type(field, "new");
    await settle();
    expect(press(field, "ArrowUp").defaultPrevented).toBe(false);
    expect(field.value).toBe("new");
  });
  test("a text above the limit says by how much and waits", async () => {
    const { client, find, settle } = await draw({ client: fakeClient({ limits: { frame: 65536, text: 10, file: 100 } }) });
    const field = find<HTMLTextAreaElement>(".pt-text");
    type(field, "x".repeat(13));
    await settle();
    expect(find(".pt-notice").textContent).toContain("3 characters too long");
    expect(field.getAttribute("aria-invalid")).toBe("true");
    press(field, "Enter");
    expect(client.calls.filter(([name]) => name === "sendMessage")).toEqual([]);
  });
  test("what the client refuses stays in the field, with the reason", async () => {
    const client = fakeClient();
    client.refuse = Object.assign(new Error("full"), { code: "outbox_full" });
    const { find, settle } = await draw({ client });
    const field = find<HTMLTextAreaElement>(".pt-text");
    type(field, "hello");
    await settle();
    press(field, "Enter");
    await settle();
    expect(field.value).toBe("hello");
    expect(find(".pt-notice").textContent).toContain("Too many messages");
  });
  test("a question without free text closes the field until it is answered", async () => {
    const { find } = await draw({ client: fakeClient({ messages: [message("bot", { type: "choice", text: "?", options: [{ label: "A", value: "a" }], disableFreeText: true })] }) });
    expect(find<HTMLTextAreaElement>(".pt-text").disabled).toBe(true);
  });
  test("files are judged by type, size and number before they wait in the tray", async () => {
    const { widget, find, settle, all } = await draw({ settings: { upload: { enabled: true, maxBytes: 10, accept: ["text/plain"], maxFiles: 1 } } });
    const { addFiles } = await import("../src/composer/files.ts");
    const file = (name: string, size: number, kind = "text/plain") => new File(["x".repeat(size)], name, { type: kind });
    addFiles(widget, [file("a.exe", 1, "application/x-msdownload")]);
    await settle();
    expect(find(".pt-notice").textContent).toContain("a.exe is of a type");
    addFiles(widget, [file("big.txt", 11)]);
    await settle();
    expect(find(".pt-notice").textContent).toContain("big.txt is larger than 10");
    addFiles(widget, [file("a.txt", 1), file("b.txt", 1)]);
    await settle();
    expect(find(".pt-notice").textContent).toContain("At most 1");
    expect(all(".pt-tray li")).toHaveLength(1);
    find(".pt-tray button").click();
    await settle();
    expect(all(".pt-tray li")).toHaveLength(0);
  });
  test("kinds of files are matched as browsers match them", () => {
    expect(accepted({ name: "a.PNG", type: "image/png" }, ["image/*"])).toBe(true);
    expect(accepted({ name: "a.csv", type: "" }, [".csv"])).toBe(true);
    expect(accepted({ name: "a.svg", type: "image/svg+xml" }, ["image/png"])).toBe(false);
    expect(accepted({ name: "a", type: "x/y" }, [])).toBe(true);
  });
});

describe("launcher and panel", () => {
  test("the launcher says what it is, how much is unread, and whether it is open", async () => {
    const { find, client, settle } = await draw({ open: false, client: fakeClient({ unread: 2 }) });
    const button = find(".pt-launcher");
    expect(button.getAttribute("aria-label")).toBe("Open chat with Mira, 2 unread messages");
    expect(button.getAttribute("aria-expanded")).toBe("false");
    expect(find(".pt-badge").getAttribute("data-count")).toBe("2");
    button.click();
    await settle();
    expect(find(".pt-launcher").getAttribute("aria-expanded")).toBe("true");
    expect(find("[role=dialog]").getAttribute("aria-label")).toBe("Chat with Mira");
    expect(client.calls.some(([name]) => name === "markRead")).toBe(true);
  });
  test("Escape closes, and focus returns to the launcher", async () => {
    const told: string[] = [];
    const { find, settle, widget } = await draw({ open: false, emit: (event) => told.push(event) > 0 });
    find(".pt-launcher").click();
    await settle();
    expect(document.activeElement?.className).toBe("pt-text");
    press(find(".pt-text"), "Escape");
    await settle();
    expect(widget.ui.get().open).toBe(false);
    expect(document.activeElement?.className).toBe("pt-launcher");
    expect(told).toEqual(["opened", "closed"]);
  });
  test("Escape is left alone where the site says so", async () => {
    const { find, widget } = await draw({ settings: { closeOnEscape: false } });
    press(find(".pt-text"), "Escape");
    expect(widget.ui.get().open).toBe(true);
  });
  test("the menu is walked by arrows and closed by Escape, the panel stays", async () => {
    const { find, settle, all, widget } = await draw({ settings: { showInfo: true } });
    find("[aria-haspopup=menu]").click();
    await settle();
    const items = all("[role=menuitem]");
    expect(document.activeElement).toBe(items[0]);
    press(items[0]!, "ArrowUp");
    expect(document.activeElement).toBe(items[items.length - 1]);
    press(items[items.length - 1]!, "Escape");
    await settle();
    expect(all("[role=menu]")).toHaveLength(0);
    expect(widget.ui.get().open).toBe(true);
  });
  test("the list of conversations opens one, and deletes one only when asked twice", async () => {
    const conversations = [{ id: "c1", updatedAt: Date.now(), unread: 0 }, { id: "c2", title: "Order 7", updatedAt: Date.now() - 1e9, unread: 3 }];
    const { client, find, all, settle, widget } = await draw({ client: fakeClient({}, conversations), settings: { deletion: true } });
    widget.go("list");
    await settle();
    await settle();
    expect(all(".pt-rows > li")).toHaveLength(2);
    all("[aria-label='Delete conversation'].pt-iconbutton")[1]?.click();
    await settle();
    expect(client.calls.some(([name]) => name === "deleteConversation")).toBe(false);
    find(".pt-confirm button").click();
    expect(client.calls).toContainEqual(["deleteConversation", "c2"]);
    all(".pt-row")[1]?.click();
    await settle();
    expect(client.calls).toContainEqual(["switchConversation", "c2"]);
    expect(widget.ui.get().page).toBe("chat");
  });
  test("the form before the chat becomes the visitor's profile", async () => {
    const { client, find, settle, widget } = await draw({ settings: { preChat: { fields: [{ name: "name", label: "Name", kind: "text", required: true }, { name: "topic", label: "Topic", kind: "text" }] } } });
    await settle();
    expect(() => find(".pt-text")).toThrow();
    for (const [name, value] of [["name", "Ana"], ["topic", "Gift"]] as const) {
      type(find<HTMLInputElement>(`input[name=${name}]`), value);
      await settle();
    }
    find("form.pt-form").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await settle();
    expect(client.calls).toContainEqual(["updateUser", { name: "Ana", data: { topic: "Gift" } }]);
    expect(widget.ui.get().started).toBe(true);
    expect(find(".pt-text")).toBeTruthy();
  });
});

describe("what is said aloud", () => {
  test("a finished message once, and nothing while it is written", async () => {
    const { client, find, settle } = await draw();
    const spoken: string[] = [];
    const region = find("[role=status]");
    new MutationObserver(() => spoken.push(region.textContent ?? "")).observe(region, { childList: true, characterData: true, subtree: true });
    const draft = message("bot", { type: "text", text: "He" }, { draft: "streaming" });
    for (const text of ["He", "Hell", "Hello **you**"]) {
      client.set({ messages: [{ ...draft, body: { type: "text", text } }] });
      await settle();
    }
    expect(spoken).toEqual([]);
    client.emit("message", message("bot", { type: "text", text: "Hello **you**" }));
    await settle();
    expect(spoken).toEqual(["Mira said: Hello you"]);
  });
  test("the log itself is silent", async () => {
    const { find } = await draw();
    expect(find("[role=log]").getAttribute("aria-live")).toBe("off");
  });
  test("a message that failed is told", async () => {
    const { client, find, settle } = await draw();
    client.emit("messageFailed", { id: "x", code: "rate", message: message("user", { type: "text", text: "Hi there" }) });
    await settle();
    expect(find("[role=status]").textContent).toBe("Your message was not sent: Hi there");
  });
});

describe("order of the log", () => {
  test("runs end with a pause, another hand, a notice or a day", () => {
    const at = new Date(2026, 4, 4, 12).getTime();
    const one = (from: "user" | "bot", ts: number) => message(from, { type: "text", text: "x" }, { ts });
    const rows = lines([one("bot", at), one("bot", at + 1000), one("user", at + 2000), one("bot", at + 3000), one("bot", at + 400_000), one("bot", at + 86_400_000)]);
    expect(rows.map(({ first, last, day }) => `${day ? "d" : ""}${first ? "f" : ""}${last ? "l" : ""}`)).toEqual(["df", "l", "fl", "fl", "fl", "dfl"]);
  });
  test("days have names near by and dates further away", () => {
    const now = new Date(2026, 4, 4, 12).getTime();
    const words = { today: "Today", yesterday: "Yesterday" };
    expect(dayName(now - 3_600_000, now, "en", words)).toBe("Today");
    expect(dayName(now - 86_400_000, now, "en", words)).toBe("Yesterday");
    expect(dayName(new Date(2025, 0, 2).getTime(), now, "en", words)).toBe("Thursday, January 2, 2025");
  });
});
