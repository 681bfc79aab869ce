// What the gateway serves is what the sources make, within its budget; a rebuild gives the same bytes.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { judge } from "./budget.mjs";

const folder = fileURLToPath(new URL("../../gateway/webchat-api/assets/", import.meta.url));

test("the built files are those of the sources, byte for byte, and keep the budget", () => {
  const run = () => execFileSync(process.execPath, [fileURLToPath(new URL("build.mjs", import.meta.url)), "--check"], { encoding: "utf8", stdio: "pipe" });
  expect(run()).toContain("every budget kept");
}, 60_000);

test("the manifest names files that are there, with their integrity", async () => {
  const { createHash } = await import("node:crypto");
  const manifest = JSON.parse(readFileSync(`${folder}manifest.json`, "utf8")) as { entry: string; embed: string; preload: string[]; files: Record<string, { path: string; integrity: string; bytes: number }> };
  for (const name of [manifest.entry, manifest.embed, ...manifest.preload]) expect(manifest.files).toHaveProperty([name]);
  for (const { path, integrity, bytes } of Object.values(manifest.files)) {
    const content = readFileSync(folder + path);
    expect(content.length).toBe(bytes);
    expect(`sha384-${createHash("sha384").update(content).digest("base64")}`).toBe(integrity);
  }
});

test("a file over its budget is told by name", () => {
  const sizes = new Map([["embed.js", 4000], ["ui.js", 1], ["locale-fr.js", 1]]);
  expect(judge(sizes, (name: string) => [name]).over[0]).toBe("embed.js: 4000 bytes are over the budget of 2560");
});
