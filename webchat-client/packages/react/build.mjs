// Builds dist/: the view once more, for React, as ES modules with its lazy parts beside it, and types without the view.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";

import { lexerOnly } from "../../build/marked.mjs";
import { notices } from "../../build/notices.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const packages = dirname(here);
const dist = join(here, "dist");
rmSync(dist, { recursive: true, force: true });

const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["src/index.ts"],
  outdir: "dist",
  chunkNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  minify: true,
  metafile: true,
  charset: "utf8",
  target: "es2022",
  conditions: ["portico-source"],
  // One setting for every file: the view's own says Preact.
  tsconfigRaw: { compilerOptions: { jsx: "react-jsx", jsxImportSource: "react", target: "ES2022", useDefineForClassFields: true } },
  alias: { preact: join(here, "src/preact.ts"), "preact/hooks": "react" },
  external: ["react", "react/jsx-runtime", "react-dom", "@portico/webchat"],
  banner: { js: '"use client";' },
  logLevel: "warning",
  plugins: [{
    name: "only-the-lexer",
    setup(builder) {
      builder.onLoad({ filter: /marked\/lib\/marked\.esm\.js$/ }, async ({ path }) => ({ contents: await lexerOnly(readFileSync(path, "utf8")), loader: "js" }));
    },
  }, {
    name: "texts",
    // As one value: the bundler would else export each key once more by its name.
    setup(builder) {
      builder.onLoad({ filter: /locales\/[\w-]+\.json$/ }, ({ path }) => ({ contents: `export default ${JSON.stringify(JSON.parse(readFileSync(path, "utf8")))}`, loader: "js" }));
    },
  }, {
    name: "smaller-css",
    // Style sheets go in as text; their comments and indentation do not have to travel.
    setup(builder) {
      builder.onLoad({ filter: /\.css$/ }, async ({ path }) => {
        const made = await build({ entryPoints: [path], minify: true, write: false, bundle: false, charset: "utf8", loader: { ".css": "css" }, target: ["chrome111", "firefox113", "safari16.4"] });
        return { contents: made.outputFiles[0].text, loader: "text" };
      });
    },
  }],
});
const preact = Object.keys(metafile.inputs).filter((path) => path.includes("node_modules/preact/"));
if (preact.length > 0) throw new Error(`Preact went into the React build: ${preact.join(", ")}`);

// What of others travels along, with their licences.
writeFileSync(join(dist, "THIRD-PARTY.txt"), notices(metafile));

// Types: of everything that index.d.ts reaches, and of nothing else.
const all = mkdtempSync(join(tmpdir(), "portico-types-"));
const tsc = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")));
execFileSync(process.execPath, [tsc, "-p", "tsconfig.json", "--noEmit", "false", "--emitDeclarationOnly", "--declaration", "--rootDir", packages, "--outDir", all], { cwd: here, stdio: "inherit" });
const written = new Map();
const waiting = [join(all, "react/src/index.d.ts")];
for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
  const name = basename(file);
  const before = written.get(name);
  if (before === file) continue;
  if (before !== undefined) throw new Error(`two files of types are named ${name}`);
  written.set(name, file);
  const text = readFileSync(file, "utf8").replace(/((?:from|import)\s*\(?")([^"]+)(")/g, (_, open, specifier, close) => {
    const own = specifier.startsWith(".") ? resolve(dirname(file), specifier)
      : specifier.startsWith("@portico/webchat-view/") ? join(all, "view/src", specifier.slice("@portico/webchat-view/".length))
      : undefined;
    if (own === undefined) {
      if (!["react", "react-dom", "react/jsx-runtime", "@portico/webchat"].includes(specifier)) throw new Error(`${name}: the types name ${specifier}, which the package does not depend on`);
      return open + specifier + close;
    }
    const target = own.replace(/\.(tsx?|jsx?)$/, ".d.ts");
    waiting.push(target);
    return `${open}./${basename(target, ".d.ts")}.js${close}`;
  });
  mkdirSync(dist, { recursive: true });
  writeFileSync(join(dist, name), text);
}
rmSync(all, { recursive: true });

for (const path of Object.keys(metafile.outputs).sort()) {
  const bytes = readFileSync(join(here, path));
  console.log(`${String(bytes.length).padStart(7)} ${String(brotliCompressSync(bytes).length).padStart(6)} br  ${path}`);
}
