// Builds dist/: one ES module for the package, types beside it, and its size against the budget.
//   node build.mjs            the package
//   node build.mjs --chaos    dist-test/chaos-gateway.mjs, the chaos runner as one file for Node
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";

const BUDGET = 8 * 1024;
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
  const { metafile } = await build({
    ...base,
    entryPoints: ["src/index.ts"],
    outdir: "dist",
    minify: true,
    splitting: true,
    metafile: true,
  });
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
  let bytes = 0;
  for (const path of Object.keys(metafile.outputs)) {
    if (first.has(path)) bytes += brotli(path);
    console.log(`${brotli(path)} bytes brotli  ${path}${first.has(path) ? "" : " (on first use)"}`);
  }
  console.log(`@portico/webchat: ${bytes} bytes brotli at once, of ${BUDGET}`);
  if (bytes > BUDGET) process.exit(1);
}
