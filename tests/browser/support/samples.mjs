// @ts-check
// One of every message, as bots write them: short and long, with emoji, words without a break, and right to left.

const LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft".repeat(2);

const MARKDOWN = `## What to pack

For **a day** on the *water*, with \`inline code\` and a [link](https://example.com/docs):

1. A dry bag
2. Rope, about \`10 m\`
   - thin
   - thick

> Wind turns after four.

\`\`\`js
const answer = await client.ask("a question that is rather long", { timeout: 5_000, retries: 3 });
\`\`\`

| item | weight | note |
|---|---:|:---:|
| bag | 0.4 kg | blue |
| rope | 0.6 kg | a note that is much longer |

- [x] packed
- [ ] shipped

![A lake](https://elsewhere.example/tracker.png)`;

const ARABIC = `مرحبًا! كيف يمكنني **مساعدتك** اليوم؟

1. اختر المنتج
2. أكمل [الدفع](https://example.com) بمبلغ 42 €`;

const HEBREW = `שלום! איך אפשר **לעזור** היום?

- בחרו דגם, למשל \`Heron 14\`
- השלימו את [התשלום](https://example.com) בסך 42 ₪`;

/** @param {string} title @param {string} media */
const card = (title, media) => ({
  title,
  subtitle: "Cedar strip, 19 kg, for one and a dog.",
  imageUrl: `${media}/lake.png`,
  actions: [
    { action: "say", label: `Tell me about the ${title}`, value: `About the ${title}` },
    { action: "postback", label: "Reserve it", value: "reserve" },
    { action: "url", label: "See the plans", value: "https://example.com/plans" },
  ],
});

/** @type {Record<string, (media: string) => [type: string, payload: object][]>} */
const SAMPLES = {
  text: () => [["text", { text: "A plain answer.\nWith a second line, and https://example.com/a/very/long/path?with=parameters&and=more to follow." }]],
  long: () => [["text", { text: `One word: ${LONG}` }], ["text", { text: "😀🚣‍♀️🏞️" }], ["text", { text: "An answer of some length, with an emoji 👩🏽‍💻 in it, which has to wrap more than once in a panel of this width." }]],
  markdown: () => [["markdown", { markdown: MARKDOWN }]],
  arabic: () => [["text", { text: ARABIC }], ["text", { text: "English, between: version 2.0 (beta)." }]],
  hebrew: () => [["text", { text: HEBREW }], ["text", { text: "English, between: version 2.0 (beta)." }]],
  image: (media) => [["image", { imageUrl: `${media}/lake.png`, title: "A canoe on a calm lake" }]],
  broken: (media) => [["image", { imageUrl: `${media}/gone.png`, title: "A picture that is gone" }]],
  audio: (media) => [["audio", { audioUrl: `${media}/bell.wav`, title: "The bell at the boathouse" }]],
  video: (media) => [["video", { videoUrl: `${media}/drift.webm`, title: "Drifting" }]],
  file: (media) => [["file", { fileUrl: `${media}/plans.pdf`, title: "Plans of the Heron 14 (signed by both parties, final).pdf", size: 1_482_000 }]],
  location: () => [["location", { latitude: 47.6505, longitude: 9.1778, title: "The boathouse", address: "Seestraße 4, Konstanz" }]],
  card: (media) => [["card", card("Heron 14", media)]],
  carousel: (media) => [["carousel", { items: ["Heron 14", "Otter 16, the one with a name that wraps", "Rill paddle"].map((title) => card(title, media)) }]],
  choice: () => [["choice", { text: "Who is coming along?", options: [
    { label: "Just me", value: "one" }, { label: "Two of us", value: "two" }, { label: "The whole family, with the dog and grandmother", value: "family" },
  ] }]],
  dropdown: () => [["dropdown", { text: "Where will you paddle?", options: [
    { label: "A lake", value: "lake" }, { label: "A slow river", value: "river" }, { label: "The coast", value: "coast" },
  ] }]],
  form: () => [["form", { title: "Your delivery", text: "We need this to send your parcel.", submit: "Send it", fields: [
    { name: "name", label: "Name", kind: "text", required: true },
    { name: "email", label: "Email", kind: "email", required: true, placeholder: "name@example.com" },
    { name: "floor", label: "Floor", kind: "select", options: [{ label: "Ground", value: "0" }, { label: "First", value: "1" }] },
    { name: "note", label: "Note", kind: "textarea" },
    { name: "news", label: "Send me the newsletter", kind: "checkbox" },
  ] }]],
  bloc: (media) => [["bloc", { items: [
    { type: "text", payload: { text: "Several things in one message:" } },
    { type: "image", payload: { imageUrl: `${media}/lake.png`, title: "The lake" } },
    { type: "file", payload: { fileUrl: `${media}/plans.pdf`, title: "Plans.pdf" } },
  ] }]],
  custom: () => [["custom", { name: "chart", url: "https://widgets.example/chart.js", data: { n: 1 } }]],
  script: () => [["text", { text: "<img src=x onerror=\"window.owned=1\"> [press](javascript:window.owned=1) <script>window.owned=1</script> **bold**" }]],
};

/** Names of the samples, in the order of the documentation. */
export const KINDS = Object.keys(SAMPLES);

/**
 * What the bot says to a word; undefined for any other text.
 * @param {string} word @param {string} media @returns {{ type: string, payload: object }[] | undefined}
 */
export function sample(word, media) {
  if (!Object.hasOwn(SAMPLES, word)) return undefined;
  return SAMPLES[word]?.(media).map(([type, payload]) => ({ type, payload }));
}
