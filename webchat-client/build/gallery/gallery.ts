// The view with a client that only pretends, in a shadow root as on a real page. What is shown is said by the address:
// ?show=text&theme=dark&locale=ar&accent=%23e4572e&closed&phone
import { createElement, render } from "preact";
import { adopt, Chat, createWidget, hostStyle, launcherStyle, loadTexts, pick, resolve, translator } from "@portico/webchat-view";
import { fakeClient } from "../../packages/view/test/fake-client.ts";
import * as messages from "./messages.ts";

const query = new URLSearchParams(location.search);
const show = query.get("show") ?? "text";
const sets = messages as unknown as Record<string, readonly import("@portico/webchat").Message[]>;
const { locale, tag } = pick([query.get("locale") ?? "en"]);

const phone = query.has("phone");
const { settings } = resolve({
  gateway: {
    botName: locale === "ar" ? "ميرا" : "Mira", description: query.has("nodesc") ? undefined : locale === "ar" ? "مساعدة متجر نورث ويند" : "Northwind's assistant", theme: query.get("theme") ?? "light", feedback: "thumbs", showInfo: true, deletion: true,
    timestamps: query.get("times") ?? "hover", animations: false, footer: query.get("footer") ?? undefined, accent: query.get("accent") ?? "#2457d6",
    info: { website: "https://northwind.example", phone: "+47 22 00 00 00", email: "hello@northwind.example", privacy: { title: "How we treat your data", link: "https://northwind.example/privacy" } },
    ...(query.has("cover") ? { coverImage: messages.media[0]?.body.type === "image" ? messages.media[0].body.url : "" } : {}),
    ...(show === "start" ? { preChat: { text: "So that we can find you again.", fields: [{ name: "name", label: "Name", required: true }, { name: "email", label: "Email", kind: "email", required: true }, { name: "topic", label: "What is it about?", kind: "textarea" }] } } : {}),
    ...(query.has("proactive") ? { proactive: { text: "Looking for a gift? I can help you find one.", delayMs: 0 } } : {}),
  },
});
const t = translator(tag, await loadTexts(locale), settings.strings);
const client = fakeClient({
  messages: sets[show] ?? [],
  typing: query.has("typing") ? { by: "bot" } : null,
  unread: Number(query.get("unread") ?? 0),
  ...(query.has("away") ? { connection: { state: "waiting" as const, attempt: 3, retryInMs: 4000 } } : {}),
}, [
  { id: "c1", updatedAt: Date.now() - 600_000, unread: 0, last: messages.text[8]! },
  { id: "c2", updatedAt: Date.now() - 90_000_000, unread: 2, last: messages.text[0]! },
  { id: "c3", title: "Return of order 1182", updatedAt: Date.now() - 900_000_000, unread: 0, last: messages.markdown[1]! },
]);
const widget = createWidget({ client, settings, t, open: !query.has("closed"), full: phone });
if (show === "list" || show === "info") widget.go(show);
if (query.has("files")) widget.ui.set({ files: [{ key: "a", file: new File(["x".repeat(3000)], "holiday-picture-with-a-long-name.png"), preview: messages.media[0]?.body.type === "image" ? messages.media[0].body.url : "" }, { key: "b", file: new File(["hello"], "notes.txt") }], uploading: ["contract.pdf"], draft: "Here they are" });
if (query.has("proactive")) widget.ui.set({ proactive: true });

const element = document.createElement("portico-webchat");
element.dataset["mode"] = "float";
const root = element.attachShadow({ mode: "open" });
adopt(root, [hostStyle, launcherStyle]);
const mount = document.createElement("div");
root.append(mount);
document.body.append(element);
render(createElement(Chat, { widget, mode: "float" }), mount);
Object.assign(window, { widget, client });
// Where the screenshot wants the conversation: at its beginning.
if (query.has("top")) setTimeout(() => root.querySelector(".pt-scroll")?.scrollTo(0, 0), 700);
if (query.has("menu")) setTimeout(() => (root.querySelector("[aria-haspopup=menu]") as HTMLElement).click(), 700);
if (query.has("submit")) setTimeout(() => (root.querySelector(".pt-form form button[type=submit], form.pt-form button[type=submit]") as HTMLElement).click(), 700);
