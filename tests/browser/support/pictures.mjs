// @ts-check
// Pictures that are checked in, and a page held against them.
//
// A browser draws letters a little otherwise from one major version to the next; `made-with.json` says which one drew
// what is checked in. The same version has to draw the same but for one pixel in a thousand; another one may differ in
// one of a hundred, and it is said that it was another one. `UPDATE_PICTURES=1` takes anew what differs.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pixelmatch from "pixelmatch";
import { PNG } from "pngjs";
import UPNG from "upng-js";
import { ROOT, sleep } from "./gateway.mjs";

const CHECKED_IN = join(ROOT, "tests/browser/pictures");
const OUT = join(ROOT, "tests/browser/out");
const MADE_WITH = join(CHECKED_IN, "made-with.json");
const UPDATE = process.env["UPDATE_PICTURES"] === "1";
/** Share of pixels that may differ: drawn by the version that drew the pictures, and by another. */
const SAME = 0.001;
const OTHER = 0.01;
/** A page may still be busy; a picture that never becomes right has failed after this long. */
const PATIENCE_MS = 5000;
/** Colours of a picture that is checked in: half the bytes, and no difference that counts. */
const COLOURS = 256;

/** @param {Buffer} png */
const pixels = (png) => PNG.sync.read(png);

/** Differing pixels, and a picture of them. @param {PNG} expected @param {PNG} actual */
function difference(expected, actual) {
  const { width, height } = expected;
  if (actual.width !== width || actual.height !== height) return { count: Infinity, share: 1, drawn: undefined };
  const drawn = new PNG({ width, height });
  const count = pixelmatch(expected.data, actual.data, drawn.data, width, height, { threshold: 0.1 });
  return { count, share: count / (width * height), drawn };
}

/** With few colours, smaller. @param {PNG} picture */
function small({ data, width, height }) {
  const rgba = new Uint8Array(data).buffer;
  return Buffer.from(UPNG.encode([rgba], width, height, COLOURS));
}

export class Pictures {
  /** @type {string[]} */
  #faults = [];
  /** @type {Set<string>} */
  #seen = new Set();
  #limit;
  #same;

  /** @param {import("playwright-core").Browser} browser */
  constructor(browser) {
    const version = Number.parseInt(browser.version(), 10);
    const before = existsSync(MADE_WITH) ? JSON.parse(readFileSync(MADE_WITH, "utf8")).chromium : undefined;
    this.#same = before === version;
    this.#limit = this.#same ? SAME : OTHER;
    mkdirSync(OUT, { recursive: true });
    if (UPDATE) {
      mkdirSync(CHECKED_IN, { recursive: true });
      writeFileSync(MADE_WITH, `${JSON.stringify({ chromium: version }, null, 2)}\n`);
    } else if (!this.#same) {
      console.warn(
        `\n!!! The pictures were drawn by Chromium ${before}, this is Chromium ${version}: up to ${OTHER * 100} % of the pixels may differ,` +
          ` not ${SAME * 100} %.\n!!! Look at what differs, then take them anew with UPDATE_PICTURES=1.\n`,
      );
    }
  }

  /**
   * Holds what a page shows against the picture of this name. What differs is kept for `done`, beside three files in
   * `out/`: expected, actual, and what differs.
   * @param {import("playwright-core").Page} page @param {string} name @param {import("playwright-core").Locator[]} [mask] what no two machines draw alike
   */
  async look(page, name, mask = []) {
    assert.ok(!this.#seen.has(name), `two pictures are named ${name}`);
    this.#seen.add(name);
    const path = join(CHECKED_IN, `${name}.png`);
    const shoot = () => page.screenshot({ animations: "disabled", caret: "hide", scale: "css", mask, maskColor: "#8a94a6" });
    const known = existsSync(path) ? readFileSync(path) : undefined;
    const expected = known && pixels(known);
    let shot = await shoot();
    let found = expected && difference(expected, pixels(shot));
    const wanted = UPDATE ? 0 : this.#limit;
    for (const end = Date.now() + PATIENCE_MS; (!found || found.share > wanted) && Date.now() < end; ) {
      await sleep(200);
      const next = await shoot();
      const stands = next.equals(shot);
      shot = next;
      found = expected && difference(expected, pixels(shot));
      if (UPDATE && stands) break;
    }
    const within = found !== undefined && found.share <= this.#limit;
    if (UPDATE) {
      // Whatever differs: what stays below the limit would eat it up for the next change.
      if (found?.count !== 0 || !this.#same) writeFileSync(path, small(pixels(shot)));
      return;
    }
    for (const kind of ["expected", "actual", "diff"]) rmSync(join(OUT, `${name}.${kind}.png`), { force: true });
    if (within) {
      if (found && found.count > 0) console.warn(`notice: ${name}: ${found.count} pixels differ, which is ${(found.share * 100).toFixed(2)} %${this.#same ? "" : ", drawn by another version"}`);
      return;
    }
    writeFileSync(join(OUT, `${name}.actual.png`), shot);
    if (known) writeFileSync(join(OUT, `${name}.expected.png`), known);
    if (found?.drawn) writeFileSync(join(OUT, `${name}.diff.png`), PNG.sync.write(found.drawn));
    this.#faults.push(
      !found ? `${name}: no such picture is checked in` : !found.drawn ? `${name}: another size` : `${name}: ${found.count} pixels, ${(found.share * 100).toFixed(2)} %`,
    );
  }

  /** Fails with everything that differed since the last call. */
  done() {
    const faults = this.#faults.splice(0);
    if (faults.length === 0) return;
    assert.fail(
      `${faults.length} pictures differ by more than ${this.#limit * 100} %; see tests/browser/out, and if it is meant so, UPDATE_PICTURES=1:\n  ${faults.join("\n  ")}`,
    );
  }

  /** Fails for pictures that nothing was held against; an update removes them. To be called after all tests. */
  noneLeft() {
    const left = readdirSync(CHECKED_IN).filter((file) => file.endsWith(".png") && !this.#seen.has(file.slice(0, -".png".length)));
    if (UPDATE) for (const file of left) rmSync(join(CHECKED_IN, file));
    else assert.deepEqual(left, [], "pictures that no test looks at");
  }
}
