// What of others travels along in a build, with their licences.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const modules = fileURLToPath(new URL("../node_modules", import.meta.url));

/** The licences of the packages among a build's inputs, as one text. */
export function notices(metafile) {
  const names = Object.keys(metafile.inputs).map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  const parts = [...new Set(names.filter((name) => name !== undefined))].sort().map((name) => {
    const home = join(modules, name);
    const file = readdirSync(home).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} goes into the build and has no licence file`);
    return `${name} ${JSON.parse(readFileSync(join(home, "package.json"), "utf8")).version}\n\n${readFileSync(join(home, file), "utf8").trim()}\n`;
  });
  return parts.join(`\n${"-".repeat(80)}\n\n`);
}
