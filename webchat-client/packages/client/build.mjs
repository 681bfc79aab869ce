// Builds dist/: one ES module for the package, types beside it, and its size against the budget.
//   node build.mjs            the package
//   node build.mjs --chaos    dist-test/chaos-gateway.mjs, the chaos runner as one file for Node
import { build } from "esbuild";
import { smaller } from "../../build/smaller.mjs";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";

/** What a page loads at once, and all there is: a link, the rarer calls, and the roads for networks without sockets. */
const AT_ONCE = 8 * 1024;
const WHOLE = 18 * 1024;
const here = dirname(fileURLToPath(import.meta.url));
const base = { absWorkingDir: here, bundle: true, format: "esm", target: "es2022", logLevel: "warning" };

if (process.argv.includes("--chaos")) {
  await build({
    ...base,
    entryPoints: ["test/chaos-gateway.ts"],
    outfile: "dist-test/chaos-gateway.mjs",
    platform: "node",
    external: ["ws"],
  });
} else {
  rmSync(new URL("dist", import.meta.url), { recursive: true, force: true });
  const { metafile, outputFiles } = await build({
    ...base,
    entryPoints: ["src/index.ts"],
    outdir: "dist",
    minify: true,
    splitting: true,
    metafile: true,
    write: false,
  });
  mkdirSync(new URL("dist", import.meta.url));
  for (const { path, text } of outputFiles) writeFileSync(path, await smaller(text));
  const tsc = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")));
  execFileSync(
    process.execPath,
    [
      tsc,
      "-p",
      "tsconfig.json",
      "--noEmit",
      "false",
      "--emitDeclarationOnly",
      "--declaration",
      "--rootDir",
      "src",
      "--outDir",
      "dist",
    ],
    {
      cwd: here,
      stdio: "inherit",
    },
  );
  // What a page loads at once: the entry and what it imports statically. Chunks that wait for `import()` don't count.
  const first = new Set(["dist/index.js"]);
  for (const path of first)
    for (const { kind, path: next } of metafile.outputs[path].imports) if (kind === "import-statement") first.add(next);
  const brotli = (path) =>
    brotliCompressSync(readFileSync(new URL(path, import.meta.url)), {
      params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY },
    }).length;
  let once = 0;
  let whole = 0;
  for (const path of Object.keys(metafile.outputs)) {
    const bytes = brotli(path);
    whole += bytes;
    if (first.has(path)) once += bytes;
    console.log(`${bytes} bytes brotli  ${path}${first.has(path) ? "" : " (on first use)"}`);
  }
  console.log(`@portico/webchat: ${once} bytes brotli at once, of ${AT_ONCE}; ${whole} in all, of ${WHOLE}`);
  if (once > AT_ONCE || whole > WHOLE) process.exit(1);
}
