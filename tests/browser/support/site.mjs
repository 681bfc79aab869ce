// @ts-check
// Somebody's website, on another origin than the gateway: pages are set by tests, media are the demo's.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fontFile } from "./fonts.mjs";
import { ROOT } from "./gateway.mjs";

const MEDIA = join(ROOT, "gateway/portico/src/roles/demo/site");
/** @type {Record<string, string>} */
const KINDS = { ".png": "image/png", ".wav": "audio/wav", ".webm": "video/webm", ".pdf": "application/pdf", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8" };

/** @typedef {{ html: string, headers?: Record<string, string>, type?: string }} Served */

export async function startSite() {
  /** @type {Map<string, Served>} */
  const pages = new Map();
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://site");
    const page = pages.get(pathname);
    if (page) {
      for (const [name, value] of Object.entries(page.headers ?? {})) response.setHeader(name, value);
      response.setHeader("content-type", page.type ?? "text/html; charset=utf-8");
      return response.end(page.html);
    }
    if (pathname === "/favicon.ico") {
      response.statusCode = 204;
      return response.end();
    }
    const font = fontFile(pathname);
    if (font) {
      response.setHeader("content-type", "font/woff2");
      return response.end(font);
    }
    try {
      if (!/^\/media\/[\w.-]+$/.test(pathname)) throw new Error("no such page");
      const body = readFileSync(join(MEDIA, pathname.slice("/media/".length)));
      response.setHeader("content-type", KINDS[extname(pathname)] ?? "application/octet-stream");
      return response.end(body);
    } catch {
      response.statusCode = 404;
      return response.end("not here");
    }
  });
  await new Promise((go) => server.listen(0, "127.0.0.1", () => go(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  // Another host than the gateway's 127.0.0.1, so storage and origin are other ones.
  const url = `http://localhost:${port}`;
  let count = 0;
  return {
    url,
    port,
    /**
     * Serves a page and gives its address.
     * @param {string | Served} page @param {string} [path]
     */
    put(page, path = `/page-${++count}`) {
      pages.set(path, typeof page === "string" ? { html: page } : page);
      return url + path;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((go) => server.close(() => go(undefined)));
    },
  };
}
/** @typedef {Awaited<ReturnType<typeof startSite>>} Site */

/**
 * A page of somebody's site.
 * @param {{ head?: string, body?: string, lang?: string, dir?: string }} [parts]
 */
export const html = ({ head = "", body = "", lang = "en", dir = "ltr" } = {}) =>
  `<!doctype html><html lang="${lang}" dir="${dir}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>A shop</title>${head}</head><body><main><h1>A shop</h1><p>With a page of its own.</p>${body}</main></body></html>`;
