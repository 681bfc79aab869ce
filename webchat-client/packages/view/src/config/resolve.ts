// Layers of configuration into one: gateway < init() < config(). The gateway says which keys a page may set.
import { renamed } from "./aliases.ts";
import { isRecord, READERS } from "./read.ts";
import { DEFAULTS, type SettingKey, type Settings } from "./settings.ts";

/** Keys that a page may set only before the start: who the visitor is. Later it is `updateUser`. */
const START_ONLY: ReadonlySet<string> = new Set(["user", "data"]);
/** Keys of `init()` that are not settings: they say where, not how. */
const NOT_SETTINGS: ReadonlySet<string> = new Set([
  "channel", "url", "target", "mode", "open", "compat", "manual", "botId", "configUrl", "messagingUrl", "hostUrl", "configuration", "version", "integrations", "webhookId", "full", "getToken", "identity", "renderers",
]);

export interface Layers {
  /** The channel's public configuration. */
  readonly gateway?: Readonly<Record<string, unknown>> | undefined;
  /** Names of keys that a page may override; absent = all. */
  readonly overridable?: readonly string[] | undefined;
  /** Given to `init()` and by `data-` attributes. */
  readonly init?: Readonly<Record<string, unknown>> | undefined;
  /** Given to `config()`, oldest first. */
  readonly patches?: readonly Readonly<Record<string, unknown>>[] | undefined;
}

export interface Resolved {
  readonly settings: Settings;
  /** One sentence per key that was not taken: unknown, of the wrong kind, not for the page to set. */
  readonly warnings: readonly string[];
}

/** Makes the settings. Never throws: what is wrong is left out and told in `warnings`. */
export function resolve(layers: Layers): Resolved {
  const warnings: string[] = [];
  let settings: Settings = DEFAULTS;
  const may = layers.overridable ? new Set(layers.overridable) : undefined;
  settings = apply(settings, layers.gateway, () => undefined, warnings);
  settings = apply(settings, layers.init, (key) => (may && !may.has(key) && !START_ONLY.has(key) ? "is set by the gateway and not for the page to change" : undefined), warnings);
  for (const patch of layers.patches ?? []) {
    settings = apply(settings, patch, (key) =>
      START_ONLY.has(key) ? "can be given to init() only; use updateUser()"
      : may && !may.has(key) ? "is set by the gateway and not for the page to change"
      : undefined, warnings);
  }
  return { settings, warnings };
}

function apply(
  base: Settings,
  layer: Readonly<Record<string, unknown>> | undefined,
  forbidden: (key: string) => string | undefined,
  warnings: string[],
): Settings {
  if (layer === undefined) return base;
  const out: Record<string, unknown> = { ...base };
  const flat = isRecord(layer["configuration"]) ? { ...layer["configuration"], ...layer } : layer;
  for (const [key, value] of Object.entries(renamed(flat, (sentence) => warnings.push(sentence)))) {
    if (NOT_SETTINGS.has(key)) continue;
    if (!Object.prototype.hasOwnProperty.call(READERS, key)) {
      warnings.push(`${key}: no such key${suggestion(key)}`);
      continue;
    }
    const refusal = forbidden(key);
    if (refusal !== undefined) {
      warnings.push(`${key}: ${refusal}`);
      continue;
    }
    const reader = READERS[key as SettingKey];
    const read = reader.read(value);
    if (read === undefined) {
      warnings.push(`${key}: expected ${reader.expects}, found ${kindOf(value)}`);
      continue;
    }
    // Records are merged key by key, so that a page that sets one limit keeps the others.
    out[key] = isRecord(read) && isRecord(out[key]) && (key === "info" || key === "upload" || key === "strings")
      ? { ...out[key], ...read }
      : read;
  }
  return out as unknown as Settings;
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "a list" : typeof value === "object" ? "a record" : typeof value === "string" ? "a text" : `a ${typeof value}`;
}

/** The nearest known key of a misspelt one, as the end of a sentence. */
function suggestion(key: string): string {
  let best: string | undefined;
  let least = 3;
  for (const known of Object.keys(READERS)) {
    const distance = edits(key.toLowerCase(), known.toLowerCase(), least);
    if (distance < least) [best, least] = [known, distance];
  }
  return best === undefined ? "" : `; did you mean ${best}?`;
}

function edits(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length] ?? limit;
}
