// @vitest-environment happy-dom
import type { Body, Message } from "@portico/webchat";
import { describe, expect, test, vi } from "vitest";
import { draw, press } from "./draw.tsx";
import { fakeClient, message } from "./fake-client.ts";

const card = { type: "card" as const, title: "Lake House", subtitle: "Two nights", image: "https://cdn.example/l.png", actions: [{ action: "postback" as const, label: "Book", value: "book-1" }, { action: "url" as const, label: "More", value: "https://example.com" }, { action: "url" as const, label: "Evil", value: "javascript:alert(1)" }, { action: "say" as const, label: "Ask", value: "Is it free?" }, { action: "phone" as const, label: "Call", value: "+47 22 00" }] };

const TYPES: [Body, string, string][] = [
  [{ type: "text", text: "Hello **you**" }, ".pt-bubble strong", "Hello you"],
  [{ type: "image", url: "https://cdn.example/a.png", title: "A cat", w: 4, h: 3 }, ".pt-media img[alt='A cat']", "A cat"],
  [{ type: "video", url: "https://cdn.example/a.mp4", title: "A film" }, "video[controls]", "A film"],
  [{ type: "audio", url: "https://cdn.example/a.mp3", title: "A song" }, "audio[controls]", "A song"],
  [{ type: "file", url: "https://cdn.example/a.pdf", title: "a.pdf", size: 1_500_000 }, "a.pt-file[download='a.pdf']", "1.5 MB"],
  [{ type: "location", lat: 59.9, lon: 10.7, title: "Oslo" }, "a.pt-file[href*='openstreetmap.org']", "Oslo"],
  [card, "article.pt-card", "Two nights"],
  [{ type: "carousel", items: [card, { ...card, title: "Dune" }] }, ".pt-carousel .pt-slides li + li", "1 of 2"],
  [{ type: "choice", text: "Size?", options: [{ label: "Small", value: "s" }] }, "button.pt-choice", "Small"],
  [{ type: "dropdown", text: "Where?", options: [{ label: "Oslo", value: "o" }] }, "select option[value='o']", "Where?"],
  [{ type: "form", title: "Your data", fields: [{ name: "email", label: "Email", kind: "email", required: true }] }, "form input[type='email'][name='email']", "Your data"],
  [{ type: "bloc", items: [{ type: "text", text: "One" }, { type: "image", url: "https://cdn.example/b.png" }] }, ".pt-group .pt-media", "One"],
  [{ type: "system", text: "Ana joined" }, ".pt-system", "Ana joined"],
  [{ type: "custom", name: "hologram", fallback: "A hologram" }, ".pt-bubble", "A hologram"],
  [{ type: "custom", name: "hologram" }, ".pt-bubble", "This message can't be shown here"],
  [{ type: "unknown", name: "spiral", fallback: "A spiral" }, ".pt-bubble", "A spiral"],
  [{ type: "unknown", name: "spiral" }, ".pt-bubble", "This message can't be shown here"],
];

describe("types of messages", () => {
  test.each(TYPES)("%j is shown", async (body, selector, words) => {
    const { find } = await draw({ client: fakeClient({ messages: [message("bot", body)] }) });
    expect(find(`.pt-list ${selector}`)).toBeTruthy();
    expect(find(".pt-list").textContent).toContain(words);
  });

  test("a body with addresses that run shows none of them", async () => {
    const bad = "javascript:alert(1)";
    const { root } = await draw({ client: fakeClient({ messages: [
      message("bot", { type: "image", url: bad, title: "x" }), message("bot", { type: "file", url: bad, title: "x" }), message("bot", { type: "video", url: bad }), message("bot", { type: "audio", url: bad }), message("bot", { ...card, image: bad }),
    ] }) });
    expect(root.innerHTML).not.toContain("javascript:");
  });

  test("what a visitor says is never read as markdown", async () => {
    const { find } = await draw({ client: fakeClient({ messages: [message("user", { type: "text", text: "2 * 3 * 4 <b>" })] }) });
    expect(find(".pt-msg[data-from=user] .pt-bubble").textContent).toBe("2 * 3 * 4 <b>");
  });

  test("a page's own renderer is used, and one that throws falls back", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const messages = [message("bot", { type: "custom", name: "stars", data: 4, fallback: "4 stars" }), message("bot", { type: "text", text: "plain text" })];
    const { find } = await draw({ client: fakeClient({ messages }), renderers: {
      stars: ({ body }) => (body.type === "custom" ? <b className="stars">{"★".repeat(Number(body.data))}</b> : null),
      text: () => { throw new Error("broken"); },
    } });
    expect(find(".stars").textContent).toBe("★★★★");
    expect(find(".pt-list").textContent).toContain("plain text");
    log.mockRestore();
  });
});

describe("answers", () => {
  const question = message("bot", { type: "choice", text: "Size?", options: [{ label: "Small", value: "s" }, { label: "Large", value: "l" }] });

  test("an option sends its label with its value, as a reply", async () => {
    const emit = vi.fn(() => true);
    const { client, all } = await draw({ client: fakeClient({ messages: [question] }), emit });
    all(".pt-choice")[1]?.click();
    expect(client.calls).toContainEqual(["sendMessage", { type: "text", text: "Large", value: "l" }, { replyTo: question.id }]);
    expect(emit).toHaveBeenCalledWith("messageSelected", { id: question.id, label: "Large", value: "l" });
  });

  test("an answered choice stays, says which, and sends nothing more", async () => {
    const { client, all } = await draw({ client: fakeClient({ messages: [question, message("user", { type: "text", text: "Large", value: "l" }, { replyTo: question.id ?? "" })] }) });
    expect(all(".pt-choice").map((option) => option.getAttribute("aria-pressed"))).toEqual(["false", "true"]);
    all(".pt-choice")[0]?.click();
    expect(client.calls.filter(([name]) => name === "sendMessage")).toEqual([]);
  });

  test("a dropdown sends on its button, not on a change", async () => {
    const asked = message("bot", { type: "dropdown", text: "Where?", options: [{ label: "Oslo", value: "o" }, { label: "Bergen", value: "b" }] });
    const { client, find, settle } = await draw({ client: fakeClient({ messages: [asked] }) });
    const select = find<HTMLSelectElement>("select");
    select.value = "b";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await settle();
    expect(client.calls.filter(([name]) => name === "sendMessage")).toEqual([]);
    find("form.pt-select").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    expect(client.calls).toContainEqual(["sendMessage", { type: "text", text: "Bergen", value: "b" }, { replyTo: asked.id }]);
  });

  test("buttons of a card answer, say, open; an address that runs is left out", async () => {
    const shown = message("bot", card);
    const { client, all } = await draw({ client: fakeClient({ messages: [shown] }) });
    const labels = all(".pt-card-actions > *").map((action) => action.textContent);
    expect(labels).toEqual(["Book", "More (opens in a new window)", "Ask", "Call"]);
    all(".pt-card-actions button")[0]?.click();
    all(".pt-card-actions button")[1]?.click();
    expect(client.calls.filter(([name]) => name === "sendMessage").map(([, body]) => body)).toEqual([{ type: "text", text: "Book", value: "book-1" }, { type: "text", text: "Is it free?", value: "Is it free?" }]);
    expect(all(".pt-card-actions a").map((link) => link.getAttribute("href"))).toEqual(["https://example.com", "tel:+472200"]);
  });

  test("a form lists its faults, ties them to fields, and sends what is right", async () => {
    const asked = message("bot", { type: "form", fields: [{ name: "name", label: "Name", kind: "text", required: true }, { name: "email", label: "Email", kind: "email", required: true }, { name: "note", label: "Note", kind: "textarea" }] });
    const { client, find, all, settle } = await draw({ client: fakeClient({ messages: [asked] }) });
    const submit = () => find("form.pt-form").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    submit();
    await settle();
    expect(find(".pt-errors").textContent).toContain("2 fields need your attention");
    expect(all("[aria-invalid=true]").map((field) => field.getAttribute("name"))).toEqual(["name", "email"]);
    const described = find("input[name=email]").getAttribute("aria-describedby");
    expect(find(`#${described}`).textContent).toBe("Fill in this field");
    const fill = (name: string, value: string) => {
      const field = find<HTMLInputElement>(`[name=${name}]`);
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    };
    fill("name", "Ana");
    await settle();
    fill("email", "ana@");
    await settle();
    submit();
    await settle();
    expect(find(".pt-errors").textContent).toContain("1 field needs");
    fill("email", "ana@example.com");
    await settle();
    submit();
    expect(client.calls).toContainEqual(["sendMessage", { type: "form", fields: [], values: { name: "Ana", email: "ana@example.com" } }, { replyTo: asked.id }]);
  });
});

describe("the carousel by keyboard", () => {
  const items = ["A", "B", "C"].map((title) => ({ ...card, title }));
  test("arrows move and stop at the ends", async () => {
    const { find, settle } = await draw({ client: fakeClient({ messages: [message("bot", { type: "carousel", items })] }) });
    const list = find(".pt-slides");
    const place = () => find(".pt-slides-bar > span").textContent;
    expect(press(list, "ArrowRight").defaultPrevented).toBe(true);
    await settle();
    expect(place()).toBe("2 of 3");
    press(list, "End");
    await settle();
    press(list, "ArrowRight");
    await settle();
    expect(place()).toBe("3 of 3");
    expect(find(".pt-slides-bar button:last-child").getAttribute("aria-disabled")).toBe("true");
    press(list, "Home");
    await settle();
    expect(place()).toBe("1 of 3");
  });
  test("right to left the arrows change places", async () => {
    const { find, settle } = await draw({ locale: "ar", client: fakeClient({ messages: [message("bot", { type: "carousel", items })] }) });
    press(find(".pt-slides"), "ArrowLeft");
    await settle();
    expect(find(".pt-slides-bar > span").textContent).toMatch(/^[2٢] of [3٣]$/);
  });
});

describe("states", () => {
  test("a failed message says so and can be sent again", async () => {
    const { client, find } = await draw({ client: fakeClient({ messages: [message("user", { type: "text", text: "Hi" }, { status: "failed", error: "rate", cid: "cid00007" })] }) });
    expect(find(".pt-note").textContent).toContain("Not sent");
    find(".pt-note button").click();
    expect(client.calls).toContainEqual(["retry", "cid00007"]);
  });
  test.each([["sending", "Sending"], ["sent", "Sent"], ["delivered", "Delivered"], ["read", "Read"]] as const)("an own message is %s", async (status, words) => {
    const { find } = await draw({ client: fakeClient({ messages: [message("user", { type: "text", text: "Hi" }, { status })] }) });
    expect(find(`[data-status=${status}]`).textContent).toBe(words);
  });
  test("a draft shows a way to stop it; an interrupted one says so", async () => {
    const { client, find } = await draw({ client: fakeClient({ messages: [message("bot", { type: "text", text: "It grows **wi" }, { draft: "streaming" })] }) });
    expect(find(".pt-caret strong").textContent).toBe("wi");
    find(".pt-stop button").click();
    expect(client.calls).toContainEqual(["stop"]);
    const other = await draw({ client: fakeClient({ messages: [message("bot", { type: "text", text: "It gr" }, { draft: "interrupted" })] }) });
    expect(other.find(".pt-note").textContent).toContain("interrupted");
  });
  test("thumbs are given and taken back", async () => {
    const rated = message("bot", { type: "text", text: "So?" });
    const { client, all, settle } = await draw({ settings: { feedback: "thumbs" }, client: fakeClient({ messages: [rated] }) });
    all(".pt-thumbs button")[0]?.click();
    await settle();
    expect(all(".pt-thumbs button")[0]?.getAttribute("aria-pressed")).toBe("true");
    all(".pt-thumbs button")[0]?.click();
    expect(client.calls.filter(([name]) => name === "feedback")).toEqual([["feedback", rated.id, "positive"], ["feedback", rated.id, null]]);
  });
  test("one message more draws one message more, and leaves the others alone", async () => {
    const many = Array.from({ length: 30 }, (_, i) => message("bot", { type: "text", text: `number ${i}` }));
    const drawn = vi.fn(({ body }: { body: Body }) => (body.type === "text" ? <i>{body.text}</i> : null));
    const { client, settle } = await draw({ client: fakeClient({ messages: many }), renderers: { text: drawn } });
    drawn.mockClear();
    client.set({ messages: [...many, message("bot", { type: "text", text: "new" })] });
    await settle();
    // The new one, and the one before it, which is no longer the last of its run.
    expect(drawn.mock.calls.map(([{ body }]) => (body.type === "text" ? body.text : "")).sort()).toEqual(["new", "number 29"]);
  });
  test("a growing answer keeps the elements of what is finished", async () => {
    const draft = message("bot", { type: "text", text: "# One\n\nTwo\n\nThr" }, { draft: "streaming" });
    const { client, all, settle } = await draw({ client: fakeClient({ messages: [draft] }) });
    const before = all(".pt-md > *");
    client.set({ messages: [{ ...draft, body: { type: "text", text: "# One\n\nTwo\n\nThree\n\nFour" } } as Message] });
    await settle();
    const after = all(".pt-md > *");
    expect(after).toHaveLength(4);
    expect(after[0]).toBe(before[0]);
    expect(after[1]).toBe(before[1]);
  });
});
