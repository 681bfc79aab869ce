/** Who the visitor is, if the site can prove it: the signed token, its renewal, and whose it is. */
import { isObject, textOf } from "./shape.ts";
import type { Identity, Surroundings } from "./types.ts";

export interface Identities {
  set(identity: Identity | undefined): void;
  known(): boolean;
  /** A token that is good for another minute; asks the site's function if need be. Rejects as that does. */
  token(): Promise<string | undefined>;
  /** The next `token()` asks again. False if there is no function to ask. */
  expire(): boolean;
  /** When to renew, ms since 1970; undefined if it can't be or need not be. */
  renewAt(): number | undefined;
}

const EARLY_MS = 60_000;

/** The claims, unchecked: the gateway checks. For `sub` and `exp` only. */
export function claims(token: string): { sub?: string; exp?: number } {
  try {
    const part = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const data: unknown = JSON.parse(
      new TextDecoder().decode(Uint8Array.from(atob(part), (letter) => letter.charCodeAt(0))),
    );
    if (!isObject(data)) return {};
    const sub = textOf(data.sub);
    return {
      ...(sub === undefined ? {} : { sub }),
      ...(typeof data.exp === "number" ? { exp: data.exp } : {}),
    };
  } catch {
    return {};
  }
}

export function createIdentities(world: Surroundings, first: Identity | undefined): Identities {
  let identity = first;
  let cached: string | undefined;
  const expiry = (): number => ((cached && claims(cached).exp) || Infinity) * 1000;
  return {
    set(next) {
      identity = next;
      cached = undefined;
    },
    known: () => identity !== undefined,
    async token() {
      const mine = identity;
      if (mine === undefined) return undefined;
      if (typeof mine === "string") return mine;
      if (cached === undefined || expiry() - world.now() < EARLY_MS) {
        const fresh = await mine();
        if (mine !== identity) return fresh;
        cached = fresh;
      }
      return cached;
    },
    expire() {
      cached = undefined;
      return typeof identity === "function";
    },
    renewAt() {
      const at = expiry() - EARLY_MS;
      return typeof identity === "function" && cached && Number.isFinite(at) ? at : undefined;
    },
  };
}
