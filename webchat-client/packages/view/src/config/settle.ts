// Layers of configuration into one: gateway < init() < config(). The gateway says which keys a page may set. What was
// not taken is a list of faults; `explain.ts` has the words for them.
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

/** A key that was not taken, why, and for a value of the wrong kind which kind it is. */
export type Fault = readonly [key: string, why: "unknown" | "kind" | "gateway" | "start" | "refused", kind?: string];

export interface Settled {
  readonly settings: Settings;
  readonly faults: readonly Fault[];
}

/** Makes the settings. Never throws: what is wrong is left out and told in `faults`. */
export function settle(layers: Layers): Settled {
  const faults: Fault[] = [];
  let settings: Settings = DEFAULTS;
  const may = layers.overridable ? new Set(layers.overridable) : undefined;
  const forbidden = (key: string): "gateway" | undefined => (may && !may.has(key) ? "gateway" : undefined);
  settings = apply(settings, layers.gateway, () => undefined, faults);
  settings = apply(settings, layers.init, (key) => (START_ONLY.has(key) ? undefined : forbidden(key)), faults);
  for (const patch of layers.patches ?? []) settings = apply(settings, patch, (key) => (START_ONLY.has(key) ? "start" : forbidden(key)), faults);
  return { settings, faults };
}

function apply(
  base: Settings,
  layer: Readonly<Record<string, unknown>> | undefined,
  forbidden: (key: string) => Fault[1] | undefined,
  faults: Fault[],
): Settings {
  if (layer === undefined) return base;
  const out: Record<string, unknown> = { ...base };
  const flat = isRecord(layer["configuration"]) ? { ...layer["configuration"], ...layer } : layer;
  for (const [key, value] of Object.entries(renamed(flat, (refused) => faults.push([refused, "refused"])))) {
    if (NOT_SETTINGS.has(key)) continue;
    if (!Object.prototype.hasOwnProperty.call(READERS, key)) {
      faults.push([key, "unknown"]);
      continue;
    }
    const refusal = forbidden(key);
    if (refusal !== undefined) {
      faults.push([key, refusal]);
      continue;
    }
    const read = READERS[key as SettingKey](value);
    if (read === undefined) {
      faults.push([key, "kind", kindOf(value)]);
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
