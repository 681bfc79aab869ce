// What is wrong with a configuration, in words. Only the people who set a page up read them, so this is a part of its
// own, fetched when there is something to tell.
import { REFUSED } from "./aliases.ts";
import { READERS } from "./read.ts";
import type { Fault } from "./settle.ts";

/** What a value has to be → the keys of that kind. */
const EXPECTS: Readonly<Record<string, string>> = {
  "a text": "botName description composerPlaceholder locale font mapUrl welcomeMessage footer className",
  "true or false": "launcher showClose closeOnEscape animations conversationList transcript deletion persistHistory sound desktopNotifications showInfo html",
  "a whole number": "zIndex",
  "a length like 380px, 24rem or 100%": "radius offset width height",
  "a colour like #2457d6 or rgb(36 87 214)": "accent",
  "an https address or a path": "botAvatar launcherImage coverImage",
  "a list of texts": "imageHosts",
  "a flat record of at most 50 texts, each of at most 500 characters": "user data",
  "a record": "strings",
  "a record with website, phone, email, terms, privacy; each a text or {title, link}": "info",
  "true, false or a record with enabled, maxBytes, accept, maxFiles": "upload",
  "a record with text, delayMs, when, once": "proactive",
  "a record with fields, a list of {name, label, kind, required}": "preChat",
  "off or thumbs": "feedback",
  "always, hover or never": "timestamps",
  "a style sheet as text": "css",
  "one of light, dark, auto": "theme",
  "one of end-bottom, start-bottom, end-top, start-top": "position",
  "one of local, session, none": "storage",
  "one of auto, load, open": "connect",
};

/** One sentence per fault: the key, what is wrong with it and what to do. Never a value of the page's. */
export function explain(faults: readonly Fault[]): string[] {
  return faults.map(([key, why, kind]) => `${key}: ${sentence(key, why, kind)}`);
}

/** What is expected of a key; `undefined` for a key that is none of ours. */
export function expected(key: string): string | undefined {
  return Object.keys(EXPECTS).find((kind) => EXPECTS[kind]?.split(" ").includes(key));
}

function sentence(key: string, why: Fault[1], kind: string | undefined): string {
  switch (why) {
    case "gateway":
      return "is set by the gateway and not for the page to change";
    case "start":
      return "can be given to init() only; use updateUser()";
    case "refused":
      return key === REFUSED[0]
        ? "maps are links without a third party's script; set mapUrl instead"
        : "a style sheet by address is fetched by the gateway; set css in its configuration";
    case "kind":
      return `expected ${expected(key)}, found ${kind}`;
    case "unknown":
      return `no such key${suggestion(key)}`;
  }
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
