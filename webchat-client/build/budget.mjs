// The size budget: what a visitor's browser may be asked to fetch, in bytes of brotli 11.

/** As everywhere in the budgets: 1024 bytes. */
const KB = 1024;

/**
 * What one visitor of a page in the usual mode can come to load: the launcher, the panel, the connection with the roads
 * for networks that let no socket through, markdown, the rare message types, and the largest translation.
 *
 * Not in it, each with a budget of its own: `html.js` (only where the channel allows HTML), `explain.js` (only on a page
 * whose configuration has a mistake), `frame.js` and `guest.js` (only in iframe mode, beside all of the above).
 */
const LATER = ["panel.js", "client-engine.js", "client-fallbacks.js", "md.js", "extras.js"];

/**
 * What counts together, and what it may weigh: what was reached, and a little air. `first` is what the launcher needs;
 * `later` leaves that out.
 */
const BUDGETS = [
  ["embed.js", () => ["embed.js"], 2.5 * KB],
  ["ui.js and what it imports at once", (need) => need.first, 22.5 * KB],
  ["launcher: embed.js, ui.js and what it imports at once", (need) => ["embed.js", ...need.first], 25 * KB],
  ["panel and connection, fetched when the page is idle", (need) => need.later("panel.js", "client-engine.js"), 26 * KB],
  ["md.js, with the first markdown", (need) => need.later("md.js"), 8.5 * KB],
  ["extras.js: carousel, form, upload, list", (need) => need.later("extras.js").filter((name) => name !== "panel.js"), 4 * KB],
  ["html.js, only with html: true", () => ["html.js"], 12 * KB],
  ["frame.js, only in iframe mode", () => ["frame.js"], 2 * KB],
  ["guest.js, only in iframe mode", () => ["guest.js"], 1.5 * KB],
  ["explain.js, only on a page with a mistake in its configuration", () => ["explain.js"], 1.5 * KB],
  // The goal is 60. What stands between: the renderer and the markdown lexer, which are others' work (5 and 8), English
  // beside the translation (0.6), the roads for networks without sockets (1), and words that files packed apart can't share (4).
  ["everything a visitor can come to load", (need) => ["embed.js", ...need.first, ...need.later(...LATER), need.locale], 64 * KB],
];

/**
 * Weighs a release.
 *
 * - `sizes`: name of a file → bytes. `closure`: name → itself and what it imports at once.
 * - Returns a table to print, and a sentence for each budget that is not kept.
 */
export function judge(sizes, closure) {
  const first = closure("ui.js");
  const locales = [...sizes.keys()].filter((name) => name.startsWith("locale-")).sort((a, b) => sizes.get(b) - sizes.get(a));
  const need = {
    first,
    later: (...names) => [...new Set(names.flatMap((name) => closure(name)))].filter((name) => !first.includes(name)),
    locale: locales[0],
  };
  const over = [];
  const lines = [...BUDGETS, ["largest locale", () => [need.locale], 2 * KB]].map(([what, files, most]) => {
    const bytes = files(need).reduce((sum, name) => sum + (sizes.get(name) ?? Number.NaN), 0);
    if (!(bytes <= most)) over.push(`${what}: ${bytes} bytes are over the budget of ${most}`);
    return `${String(bytes).padStart(7)} of ${String(most).padStart(6)}  ${what}`;
  });
  if (first.length > 2) over.push(`the launcher needs ${first.length + 2} requests, 4 are allowed: ${first.join(", ")}`);
  return { lines, over };
}
