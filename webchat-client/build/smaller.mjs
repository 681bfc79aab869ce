// A second minifier over the bundler's: it finds what the first leaves, and names so that the text packs well.
import { minify } from "terser";

/** A script's text, smaller. `module`: its names at the top are its own. `known`: `$` and a name at the top → what it becomes. */
export async function smaller(text, module = true, known = undefined) {
  const { code } = await minify(text, {
    module,
    ecma: 2020,
    compress: { ecma: 2020, passes: 3, unsafe_arrows: true, lhs_constants: false, hoist_funs: true, inline: 1 },
    format: { ecma: 2020 },
    ...(known ? { nameCache: { vars: { props: known } } } : {}),
  });
  return Buffer.from(code);
}
