// Builds what the gateway serves: one folder of hashed files with their brotli forms, and manifest.json.
//
//   node build/build.mjs             writes gateway/webchat-api/assets/
//   node build/build.mjs --check     builds in memory and fails when the folder holds anything else
//   node build/build.mjs --release   keeps the release that is there as the previous one, for pages open during an upgrade
//
// The same sources give the same bytes: no clock, no absolute path, no order of the file system goes in.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "esbuild";
import { notices } from "./notices.mjs";
import { judge } from "./budget.mjs";
import { lexerOnly } from "./marked.mjs";
import { smaller } from "./smaller.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, "../gateway/webchat-api/assets");
const version = JSON.parse(readFileSync(join(root, "packages/embed/package.json"), "utf8")).version;

const sheets = join(root, "packages/view/src/theme/css");
/** Custom properties that only the style sheets themselves read, by the order of the alphabet: they may be called anything. */
const INNER = [...new Set(readdirSync(sheets).flatMap((name) => readFileSync(join(sheets, name), "utf8").match(/--(?!portico-|pt-|ratio\b)[a-z][\w-]*/g) ?? []))].sort();
/** Lines run from left to right or back, never downwards: the sizes and edges of blocks may go by their shorter names. */
const PHYSICAL = [
  [/([;{](?:min-|max-)?)inline-size:/g, "$1width:"],
  [/([;{](?:min-|max-)?)block-size:/g, "$1height:"],
  [/([;{](?:margin|padding|border)-)block-start([:-])/g, "$1top$2"],
  [/([;{](?:margin|padding|border)-)block-end([:-])/g, "$1bottom$2"],
  [/([;{])inset-block-start:/g, "$1top:"],
  [/([;{])inset-block-end:/g, "$1bottom:"],
];
function shortCss(text) {
  const named = text.replace(/--[a-z][\w-]*/g, (name) => (INNER.includes(name) ? `--${INNER.indexOf(name).toString(36).replace(/^\d/, "_$&")}` : name));
  return PHYSICAL.reduce((css, [long, short]) => css.replace(long, short), named);
}

const shared = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  write: false,
  metafile: true,
  legalComments: "none",
  charset: "utf8",
  target: ["es2022", "chrome105", "firefox110", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  conditions: ["portico-source", "module", "import"],
  loader: { ".css": "text" },
  outdir: "out",
  logLevel: "error",
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [{
    name: "only-the-lexer",
    setup(builder) {
      builder.onLoad({ filter: /marked\/lib\/marked\.esm\.js$/ }, async ({ path }) => ({ contents: await lexerOnly(readFileSync(path, "utf8")), loader: "js" }));
    },
  }, {
    name: "texts",
    // As one value: the bundler would else export each key once more by its name. A translation comes as the list of its
    // texts in the order of the English ones, which know the keys.
    setup(builder) {
      builder.onLoad({ filter: /locales\/[\w-]+\.json$/ }, ({ path }) => {
        const read = (file) => JSON.parse(readFileSync(file, "utf8"));
        const texts = read(path);
        const value = path.endsWith("/en.json") ? texts : Object.keys(read(join(dirname(path), "en.json"))).map((key) => texts[key] ?? null);
        return { contents: `export default ${JSON.stringify(value)}`, loader: "js" };
      });
    },
  }, {
    name: "smaller-css",
    // Style sheets go in as text; their comments and indentation do not have to travel.
    setup(builder) {
      builder.onLoad({ filter: /\.css$/ }, async ({ path }) => {
        const made = await build({ entryPoints: [path], minify: true, write: false, bundle: false, legalComments: "none", charset: "utf8", loader: { ".css": "css" }, target: ["chrome111", "firefox113", "safari16.4"] });
        return { contents: shortCss(made.outputFiles[0].text), loader: "text" };
      });
    },
  }],
};

/** Name in the manifest of a chunk, by the module it begins with. */
const NAMES = [
  [/embed\/src\/ui\.ts$/, () => "ui.js"],
  [/embed\/src\/frame\.ts$/, () => "frame.js"],
  [/embed\/src\/guest\.ts$/, () => "guest.js"],
  [/markdown\/parse\.ts$/, () => "md.js"],
  [/config\/explain\.ts$/, () => "explain.js"],
  [/messages\/html\.ts$/, () => "html.js"],
  [/view\/src\/panel\.tsx$/, () => "panel.js"],
  [/view\/src\/extras\.tsx$/, () => "extras.js"],
  [/client\/src\/engine\.ts$/, () => "client-engine.js"],
  [/client\/src\/fallbacks\.ts$/, () => "client-fallbacks.js"],
  [/locales\/([\w-]+)\.json$/, (found) => `locale-${found[1]}.js`],
];

const parts = await build({
  ...shared,
  // `h("p", null, text)` is shorter than what the newer form of the same makes.
  jsx: "transform",
  jsxFactory: "h",
  jsxFragment: "Fragment",
  inject: ["build/jsx.js"],
  tsconfigRaw: { compilerOptions: { jsx: "react", target: "ES2022", useDefineForClassFields: true } },
  format: "esm",
  splitting: true,
  entryPoints: { ui: "packages/embed/src/ui.ts", frame: "packages/embed/src/frame.ts" },
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
});

/**
 * Name in the manifest → bytes. The bundler makes one chunk per set of parts that share a module. Parts that are wanted
 * together become one file: fewer requests until the launcher stands, and text packs better beside its like.
 */
const outputs = parts.metafile.outputs;
const textOf = (path) => parts.outputFiles.find((one) => relative(root, one.path).replaceAll("\\", "/") === path).text;
const paths = Object.keys(outputs).sort();
/** What a chunk imports at once, and what that imports. */
function needs(path, found = new Set()) {
  for (const { path: imported, kind } of outputs[path].imports) {
    if (kind !== "import-statement" || found.has(imported)) continue;
    found.add(imported);
    needs(imported, found);
  }
  return found;
}
const begin = (end) => paths.find((path) => outputs[path].entryPoint?.endsWith(end));
/** Chunks that become one file, each with those that nobody before it has. */
const joins = [];
for (const [name, ...begins] of [
  ["ui.js", begin("embed/src/ui.ts")],
  ["panel.js", begin("view/src/panel.tsx")],
  ["client-engine.js", begin("client/src/engine.ts"), begin("client/src/extras.ts")],
]) {
  const taken = new Set(joins.flatMap(({ chunks }) => chunks));
  const chunks = begins.flatMap((path) => [path, ...needs(path)]).filter((path, i, all) => !taken.has(path) && all.indexOf(path) === i);
  joins.push({ name, chunks });
}

const nameOf = new Map();
let rest = 0;
for (const path of paths) {
  const begins = outputs[path].entryPoint;
  const rule = begins && NAMES.find(([pattern]) => pattern.test(begins));
  nameOf.set(path, joins.find(({ chunks }) => chunks.includes(path))?.name ?? (rule ? rule[1](rule[0].exec(begins)) : `part-${++rest}.js`));
}
const joined = joins.flatMap(({ name, chunks }) => chunks.map((path) => ({ name, path, file: path.slice("out/".length) })));
/** Imports of a joined chunk become imports of its file under names that cannot clash; file names become ours. */
function rewrite(text) {
  let out = text;
  joined.forEach(({ name, file, path }, i) => {
    out = out.replace(new RegExp(`(import|export)\\{([^}]*)\\}from"\\./${file.replaceAll(".", "\\.")}"`, "g"), (_, word, names) =>
      `${word}{${names.split(",").map((one) => `s${i}_${one.includes(" as ") ? one.trim() : `${one.trim()} as ${one.trim()}`}`).join(",")}}from"./${name}"`);
    out = out.replaceAll(`import"./${file}"`, `import"./${name}"`);
    if (outputs[path].entryPoint === undefined) return;
    // A part that is fetched by its name keeps its exports under their own.
    out = out.replaceAll(`./${file}`, `./${name}`);
  });
  for (const [path, name] of nameOf) out = out.replaceAll(`./${path.slice("out/".length)}`, `./${name}`);
  return out;
}
const files = new Map();
for (const { name, chunks } of joins) {
  if (chunks.length === 0) continue;
  const inside = new Set(chunks.map((path) => path.slice("out/".length)));
  const lines = joined.flatMap(({ name: of, path, file }, i) => of !== name ? [] : [
    `export {${outputs[path].exports.map((one) => `${one} as s${i}_${one}`).join(",")}} from "./${file}";`,
    ...(outputs[path].entryPoint === undefined ? [] : [`export * from "./${file}";`]),
  ]);
  const made = await build({
    ...shared,
    format: "esm",
    stdin: { contents: lines.join("\n"), loader: "js", resolveDir: root },
    plugins: [{
      name: "chunks-of-the-first-pass",
      setup(builder) {
        builder.onResolve({ filter: /^\.\// }, ({ path, kind }) =>
          kind !== "dynamic-import" && inside.has(path.slice(2)) ? { path: path.slice(2), namespace: "chunk" } : { path, external: true });
        builder.onLoad({ filter: /.*/, namespace: "chunk" }, ({ path }) => ({ contents: textOf(`out/${path}`), loader: "js" }));
      },
    }],
  });
  files.set(name, Buffer.from(rewrite(made.outputFiles[0].text)));
}
for (const path of paths) if (!joined.some((one) => one.path === path)) files.set(nameOf.get(path), Buffer.from(rewrite(textOf(path))));
/** Files that a file imports at once, by their names. */
const importsOf = (name) => {
  const text = files.get(name)?.toString() ?? "";
  return [...new Set([...text.matchAll(/(?:from|import)"\.\/([\w.-]+)"/g)].map((found) => found[1]))];
};
const closure = (name, found = new Set([name])) => {
  for (const one of importsOf(name)) {
    if (found.has(one)) continue;
    found.add(one);
    closure(one, found);
  }
  return [...found];
};
for (const [name, bytes] of files) if (/chunk-[A-Z0-9]{8}/.test(bytes.toString())) throw new Error(`${name} still names a chunk of the first pass`);

/**
 * What files lend each other has one name of a letter or two, in the file that lends and in those that borrow: so no
 * list says it twice, and the chunks that became one file call it the same. What nobody borrows is not lent.
 */
const LENT = /(import|export)\{([^}]*)\}(?:from"\.\/([\w.-]+)")?;?/g;
const split = (names) => names.split(",").filter((one) => one !== "").map((one) => {
  const [first, second = first] = one.split(" as ");
  return [first, second];
});
/** `file:name`, of all that is borrowed. */
const borrowed = new Set();
for (const bytes of files.values()) {
  for (const [, word, names, from] of bytes.toString().matchAll(LENT)) {
    if (word !== "import" || from === undefined) continue;
    for (const [name] of split(names)) if (/^s\d+_/.test(name)) borrowed.add(`${from}:${name}`);
  }
}
const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const short = new Map([...borrowed].sort().map((key, i) => [key, `${"ABCDEFGH"[Math.floor(i / 26)]}${LETTERS[i % 26]}`]));
for (const [name, bytes] of files) {
  /** Local name → the one it goes by. */
  const known = {};
  const text = bytes.toString().replace(LENT, (_, word, names, from) => {
    const list = split(names).flatMap(([first, second]) => {
      const [outside, inside] = word === "import" ? [first, second] : [second, first];
      if (!/^s\d+_/.test(outside)) return [`${first} as ${second}`];
      const lent = short.get(`${from ?? name}:${outside}`);
      if (lent === undefined) return [];
      known[`$${inside}`] ??= lent;
      return [word === "import" ? `${lent} as ${second}` : `${first} as ${lent}`];
    });
    return `${word}{${list.join(",")}}${from === undefined ? "" : `from"./${from}"`};`;
  });
  const made = once((await smaller(text, true, known)).toString());
  if (/[{,\s]s\d+_\w/.test(made)) throw new Error(`${name} still lends or borrows by a name of the first pass`);
  files.set(name, Buffer.from(made));
}
/** Two imports from one file become one, and each name in it stands there once. */
function once(text) {
  const lists = new Map();
  const rest = text.replace(/import\{([^}]*)\}from"(\.\/[\w.-]+)";?/g, (_, names, from) => {
    lists.set(from, new Set([...(lists.get(from) ?? []), ...names.split(",")]));
    return "";
  });
  return [...lists].map(([from, names]) => `import{${[...names].join(",")}}from"${from}";`).join("") + rest;
}
const digest = createHash("sha256");
for (const [name, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) digest.update(name).update("\0").update(bytes).update("\0");

// The loader knows the path of frame.js, so it comes after the hash of the rest; its own text counts through a second hash.
const loaderFor = async (hash) => {
  const made = await build({
    ...shared,
    format: "iife",
    entryPoints: { embed: "packages/embed/src/loader.ts" },
    entryNames: "[name]",
    define: { ...shared.define, VERSION: JSON.stringify(version), FRAME: JSON.stringify(`${hash}/frame.js`) },
  });
  return smaller(made.outputFiles[0].text, false);
};
const hash = digest.update(await loaderFor("")).digest("hex").slice(0, 12);
files.set("embed.js", await loaderFor(hash));

const brotli = (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length, [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT } });
const manifest = { version, hash, entry: "ui.js", preload: closure("ui.js"), embed: "embed.js", files: {} };
const written = new Map();
for (const [name, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const path = `${hash}/${name}`;
  const small = brotli(bytes);
  written.set(path, bytes);
  written.set(`${path}.br`, small);
  manifest.files[name] = { path, integrity: `sha384-${createHash("sha384").update(bytes).digest("base64")}`, bytes: bytes.length };
}
written.set("THIRD-PARTY.txt", Buffer.from(notices(parts.metafile)));
written.set("manifest.json", Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));

const verdict = judge(new Map([...files.keys()].map((name) => [name, written.get(`${hash}/${name}.br`).length])), closure);
for (const line of verdict.lines) console.log(line);
const wrong = [...verdict.over];
for (const [path, bytes] of written) if (!path.endsWith(".br") && bytes.includes(root)) wrong.push(`${path} holds an absolute path`);

const previousFile = join(out, "previous.json");
if (process.argv.includes("--check")) {
  const different = [...written].filter(([path, bytes]) => !existsSync(join(out, path)) || !readFileSync(join(out, path)).equals(bytes)).map(([path]) => path);
  if (different.length > 0) wrong.push(`${different.length} files in gateway/webchat-api/assets are not what the sources make, ${different[0]} the first; run npm run build in webchat-client`);
} else {
  if (process.argv.includes("--release") && existsSync(join(out, "manifest.json"))) {
    const before = JSON.parse(readFileSync(join(out, "manifest.json"), "utf8"));
    if (before.hash !== hash && before.hash !== "none") writeFileSync(previousFile, `${JSON.stringify(before, null, 2)}\n`);
  }
  const previous = existsSync(previousFile) ? JSON.parse(readFileSync(previousFile, "utf8")).hash : undefined;
  mkdirSync(out, { recursive: true });
  for (const entry of readdirSync(out, { withFileTypes: true })) {
    if (entry.isDirectory() && entry.name !== previous) rmSync(join(out, entry.name), { recursive: true });
  }
  for (const [path, bytes] of written) {
    mkdirSync(dirname(join(out, path)), { recursive: true });
    writeFileSync(join(out, path), bytes);
  }
}
if (process.argv.includes("--why")) {
  for (const path of paths) {
    console.log(`\n${nameOf.get(path)} ${outputs[path].bytes}`);
    for (const [input, { bytesInOutput }] of Object.entries(outputs[path].inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)) console.log(`  ${String(bytesInOutput).padStart(7)}  ${input}`);
  }
}
if (wrong.length > 0) {
  for (const sentence of wrong) console.error(`error: ${sentence}`);
  process.exit(1);
}
console.log(`release ${hash}: every budget kept`);
