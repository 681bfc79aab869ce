// Settings and what is wrong with them in words, at once: for those who do not count bytes. The embed takes `settle.ts`
// and fetches the words when it needs them.
import { explain } from "./explain.ts";
import { settle, type Layers } from "./settle.ts";
import type { Settings } from "./settings.ts";

export type { Layers } from "./settle.ts";

export interface Resolved {
  readonly settings: Settings;
  /** One sentence per key that was not taken: unknown, of the wrong kind, not for the page to set. */
  readonly warnings: readonly string[];
}

/** Makes the settings. Never throws: what is wrong is left out and told in `warnings`. */
export function resolve(layers: Layers): Resolved {
  const { settings, faults } = settle(layers);
  return { settings, warnings: explain(faults) };
}
