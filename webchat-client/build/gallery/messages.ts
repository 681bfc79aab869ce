// One of everything, for the eye.
import type { Message } from "@portico/webchat";
import { message } from "../../packages/view/test/fake-client.ts";

/** Pictures without a network: a small drawing as a data address. */
function picture(a: string, b: string, label: string): string {
  return `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" width="640" height="360" viewBox="0 0 640 360"><defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="${a}"/><stop offset="1" stop-color="${b}"/></linearGradient></defs><rect width="640" height="360" fill="url(#g)"/><circle cx="500" cy="90" r="46" fill="#fff" fill-opacity=".55"/><path d="M0 360 190 170l120 110 90-80 240 160z" fill="#fff" fill-opacity=".35"/><text x="28" y="52" font-family="sans-serif" font-size="28" fill="#fff">${label}</text></svg>`)}`;
}
const lake = picture("#2b6cb0", "#81e6d9", "Lake");
const dune = picture("#c05621", "#f6e05e", "Dune");
const wood = picture("#276749", "#9ae6b4", "Wood");

const now = Date.now();
const ago = (minutes: number) => now - minutes * 60_000;

const md = `Here is **what I found**, with \`inline code\` and a [link](https://example.com/docs):

1. First, open the *settings*
2. Then choose
   - a plan
   - a region

> Prices are without tax.

\`\`\`ts
const answer = await client.ask("question", { timeout: 5_000, retries: 3 });
\`\`\`

| Plan | Price | Seats |
|------|------:|:-----:|
| Solo | 9 €   | 1     |
| Team | 29 €  | 10    |

- [x] paid
- [ ] shipped`;

const card = (title: string, image: string, more = "") => ({
  type: "card" as const, title, subtitle: `Two nights, breakfast, and a view. ${more}`, image, imageAlt: title,
  actions: [{ action: "postback" as const, label: "Book now", value: "book" }, { action: "url" as const, label: "Read more", value: "https://example.com" }],
});

export const text: readonly Message[] = [
  message("bot", { type: "text", text: "Hello! I am **Mira**, the assistant of Northwind. How can I help?" }, { ts: ago(60 * 26) }),
  message("user", { type: "text", text: "Hi! Do you ship to Norway? 🇳🇴" }, { ts: ago(12) }),
  message("bot", { type: "text", text: "Yes, we do." }, { ts: ago(11) }),
  message("bot", { type: "text", text: "It takes **3–5 days** and costs 9 €. Orders above 80 € ship free." }, { ts: ago(11) }),
  message("user", { type: "text", text: "👍" }, { ts: ago(10) }),
  message("user", { type: "text", text: "Great, and what about this very long address https://shop.example/a/very/long/path/that/does/not/end/soon?with=parameters&and=more and aWordWithoutAnySpacesThatIsMuchLongerThanTheBubbleItselfCouldEverBe" }, { ts: ago(9) }),
  message("system", { type: "system", text: "Ana joined" }, { ts: ago(8) }),
  message("agent", { type: "text", text: "Hi, Ana here. I'll take it from here." }, { ts: ago(7), author: { name: "Ana Lind" } }),
  message("user", { type: "text", text: "Thank you!" }, { ts: ago(2), status: "delivered" }),
];
export const states: readonly Message[] = [
  message("user", { type: "text", text: "This one failed" }, { ts: ago(5), status: "failed", error: "rate", cid: "cid00009" }),
  message("bot", { type: "text", text: "This is being written right now, and **it grows wi" }, { ts: ago(1), draft: "streaming" }),
  message("bot", { type: "text", text: "This one stopped in the mid" }, { ts: ago(1), draft: "interrupted", author: { name: "Other" } }),
  message("user", { type: "text", text: "And this one is on its way" }, { ts: ago(0), status: "sending" }),
];
export const markdown: readonly Message[] = [message("user", { type: "text", text: "Show me markdown" }), message("bot", { type: "text", text: md })];
export const media: readonly Message[] = [
  message("bot", { type: "image", url: lake, title: "The lake in the morning", w: 640, h: 360 }),
  message("bot", { type: "audio", url: "data:audio/wav;base64,UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=", title: "Voice note" }),
  message("bot", { type: "file", url: "https://gateway.test/f/contract.pdf", title: "Contract 2026 (signed by both parties, final).pdf", size: 1_482_000 }),
  message("bot", { type: "location", lat: 59.9139, lon: 10.7522, title: "Northwind Oslo", address: "Karl Johans gate 1, 0154 Oslo" }),
  message("user", { type: "image", url: dune, title: "", w: 640, h: 360 }),
  message("user", { type: "file", url: "https://gateway.test/f/notes.txt", title: "notes.txt", size: 812 }),
];
export const cards: readonly Message[] = [
  message("bot", { type: "text", text: "These three have rooms:" }),
  message("bot", { type: "carousel", items: [card("Lake House", lake), card("Dune Lodge", dune, "Dogs are welcome, and so are children of all ages."), card("Wood Cabin", wood)] }),
  message("bot", { ...card("Lake House, the one with the very long name that wraps", lake), actions: [{ action: "say", label: "Is it free?", value: "Is it free?" }, { action: "phone", label: "Call us", value: "+47 22 00 00 00" }, { action: "copy", label: "Copy the code", value: "LAKE26" }] }),
];
const asked = message("bot", { type: "choice", text: "Which size?", options: [{ label: "Small", value: "s" }, { label: "Medium", value: "m" }, { label: "Large", value: "l" }] });
export const asking: readonly Message[] = [
  asked,
  message("user", { type: "text", text: "Medium", value: "m" }, { replyTo: asked.id ?? "" }),
  message("bot", { type: "choice", text: "When shall we deliver?", options: [{ label: "Today", value: "1" }, { label: "Tomorrow before noon", value: "2" }, { label: "Saturday", value: "3" }, { label: "I will pick it up at the shop in the old town", value: "4" }] }),
  message("bot", { type: "dropdown", text: "And your country?", options: [{ label: "Norway", value: "no" }, { label: "Sweden", value: "se" }] }),
  message("bot", { type: "unknown", name: "hologram" }),
];
export const form: readonly Message[] = [
  message("bot", { type: "form", title: "Your delivery", text: "We need this to send your parcel.", fields: [
    { name: "name", label: "Name", kind: "text", required: true },
    { name: "email", label: "Email", kind: "email", required: true, placeholder: "name@example.com" },
    { name: "floor", label: "Floor", kind: "select", options: [{ label: "Ground", value: "0" }, { label: "First", value: "1" }] },
    { name: "news", label: "Send me the newsletter", kind: "checkbox" },
  ] }),
  message("user", { type: "form", fields: [], values: { name: "Ana Lind", email: "ana@example.com" } }),
];
export const arabic: readonly Message[] = [
  message("bot", { type: "text", text: "مرحبًا! كيف يمكنني **مساعدتك** اليوم؟" }),
  message("user", { type: "text", text: "هل تشحنون إلى دبي؟" }),
  message("bot", { type: "text", text: "نعم، خلال 3 أيام.\n\n1. اختر المنتج\n2. أكمل [الدفع](https://example.com)" }),
  message("user", { type: "text", text: "And in English too?" }),
  message("bot", { type: "carousel", items: [card("بيت البحيرة", lake), card("نزل الرمال", dune)] }),
];
