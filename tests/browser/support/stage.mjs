// @ts-check
// Everything together: gateway, bot, somebody's site, and a browser whose visitors are told apart.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { startBot } from "./bot.mjs";
import { ROOT, startGateway } from "./gateway.mjs";
import { html, startSite } from "./site.mjs";
import { Visitor } from "./visitor.mjs";

/** Pictures for the eye; not part of the repository. */
export const OUT = join(ROOT, "tests/browser/out");

export const EXECUTABLE = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
/** A browser that is silent where nobody asked it, and draws the same everywhere. */
export const ARGUMENTS = [
  "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--force-color-profile=srgb", "--font-render-hinting=none", "--disable-lcd-text",
];

/** The system's Chromium, with a new profile. */
export const launchBrowser = () => chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS });

/** Limits that a fast test does not meet. */
const ROOMY = "limits = { messages = 60000, events = 60000, uploads = 10000, hellos = 1000000, sockets = 100000, session_sockets = 100 }";

/**
 * One channel as TOML.
 * @param {string} id @param {string} origins a TOML list @param {string} [look] lines of its `look` table @param {string} [more] lines of its configuration
 */
export const channel = (id, origins, look = "", more = "") => `
[installations.${id}]
bot = "support"
alias = "${id}"
connector = "webchat"
[installations.${id}.config]
origins = ${origins}
${ROOMY}
${more}
[installations.${id}.config.look]
bot_name = "Tide & Timber"
${look}
`;

/**
 * @param {{ channels?: (origins: string) => string }} [options] further channels besides `site`
 */
export async function startStage({ channels } = {}) {
  mkdirSync(OUT, { recursive: true });
  const site = await startSite();
  const bot = await startBot({ media: () => `${site.url}/media` });
  const origins = JSON.stringify([site.url]);
  const gateway = await startGateway({ core: bot.url, installations: channel("site", origins) + (channels?.(origins) ?? "") });
  bot.serves(gateway.url);
  const browser = await launchBrowser();

  /** The tag that a site owner pastes. */
  const tag = (id = "site", attributes = "", base = gateway.url) =>
    `<script async src="${base}/webchat/v1/embed.js" data-channel="${id}" ${attributes}></script>`;

  return {
    site, bot, gateway, browser, tag,
    /** Somebody with a browser of their own. @param {import("playwright-core").BrowserContextOptions} [options] */
    async visitor(options = {}) {
      const context = await browser.newContext({ viewport: { width: 1100, height: 800 }, ...options });
      context.setDefaultTimeout(20_000);
      const page = await context.newPage();
      return new Visitor(page);
    },
    /** A page with the tag on it. @param {string} [id] @param {string} [attributes] @param {Parameters<typeof html>[0]} [parts] */
    plain: (id = "site", attributes = "", parts = {}) => site.put(html({ ...parts, head: (parts?.head ?? "") + tag(id, attributes) })),
    async stop() {
      await browser.close();
      await gateway.stop();
      await bot.stop();
      await site.stop();
    },
  };
}
/** @typedef {Awaited<ReturnType<typeof startStage>>} Stage */
