// The gallery: `node build/gallery.mjs` serves the view with one of everything on http://127.0.0.1:4173/.
// `node build/gallery.mjs shots <folder>` draws every page of it with Chromium instead.
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const made = await build({
  absWorkingDir: root, entryPoints: ["build/gallery/gallery.ts"], bundle: true, splitting: true, format: "esm", outdir: "out", write: false,
  jsx: "automatic", jsxImportSource: "preact", conditions: ["portico-source", "module", "import"], loader: { ".css": "text" }, target: "es2022",
});
const files = new Map(made.outputFiles.map((file) => [`/${file.path.split("/out/").pop()}`, file.text]));
const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>Gallery</title>
<body style="margin:0;min-height:100vh;background:#dfe6ee"><script type="module" src="/gallery.js"></script>`;
const server = createServer((request, response) => {
  const path = new URL(request.url ?? "/", "http://x").pathname;
  const script = files.get(path);
  response.setHeader("content-type", script === undefined ? "text/html; charset=utf-8" : "text/javascript; charset=utf-8");
  response.end(script ?? page);
});
const [, , verb, folder] = process.argv;
await new Promise((resolve) => server.listen(verb === "shots" ? 0 : 4173, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${server.address().port}/`;

/** Name of the picture → query, width and height of the window. */
const SHOTS = {
  text: ["show=text", 460, 780], "text-dark": ["show=text&theme=dark", 460, 780], states: ["show=states&typing", 460, 780],
  markdown: ["show=markdown&top", 460, 780], "markdown-dark": ["show=markdown&theme=dark&top", 460, 780], media: ["show=media&top", 460, 900], cards: ["show=cards&top", 460, 780], "cards-dark": ["show=cards&theme=dark", 460, 780],
  asking: ["show=asking&top", 460, 780], form: ["show=form&top", 460, 780], "form-errors": ["show=form&top&submit", 460, 900], arabic: ["show=arabic&locale=ar", 460, 780], "arabic-menu": ["show=arabic&locale=ar&menu", 460, 780],
  empty: ["show=none", 460, 780], list: ["show=list", 460, 780], info: ["show=info", 460, 780], start: ["show=start", 460, 780], menu: ["show=text&menu", 460, 780], files: ["show=text&files", 460, 780],
  away: ["show=text&away&footer=Answers+may+be+wrong", 460, 780], closed: ["closed&unread=3", 460, 300], proactive: ["closed&proactive", 460, 300], orange: ["show=asking&accent=%23ff9f1c", 460, 780], cover: ["show=none&cover", 460, 780],
  phone: ["show=text&phone", 390, 780], "phone-cards-dark": ["show=cards&phone&theme=dark", 390, 780], "phone-320": ["show=asking&phone", 320, 640], "wide": ["show=markdown&phone&top", 1100, 780],
};
if (verb === "shots" && folder) {
  mkdirSync(folder, { recursive: true });
  const run = promisify(execFile);
  const only = process.argv.slice(4);
  for (const [name, [query, width, height]] of Object.entries(SHOTS)) {
    if (only.length > 0 && !only.includes(name)) continue;
    await run(process.env.CHROMIUM ?? "chromium", ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--disable-gpu", `--window-size=${width},${height}`, "--force-device-scale-factor=1", "--virtual-time-budget=6000", `--screenshot=${join(folder, `${name}.png`)}`, `${url}?${query}`], { timeout: 60_000 });
    console.log(name);
  }
  server.close();
} else console.log(url);
