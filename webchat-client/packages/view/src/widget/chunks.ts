// The parts that are fetched when they are first needed. A part that is gone (an old page after an upgrade) is
// looked for once in the new release if it is data only; else the view does without it.
import type { Parse } from "../markdown/blocks.ts";

let markdown: Promise<{ parse: Parse }> | undefined;
let extras: Promise<typeof import("../extras.tsx")> | undefined;
let panel: Promise<typeof import("../panel.tsx")> | undefined;
let rescue: ((file: string) => Promise<string | undefined>) | undefined;

/** Tells how to find a file of the newest release: name in the manifest → address. */
export function setRescue(find: (file: string) => Promise<string | undefined>): void {
  rescue = find;
}

/** The markdown parser. Rejects when it can be had neither from this release nor from the newest. */
export function loadMarkdown(): Promise<{ parse: Parse }> {
  markdown ??= import("../markdown/parse.ts").catch(async (): Promise<{ parse: Parse }> => {
    const address = await rescue?.("md.js");
    if (address === undefined) throw new Error("the markdown part is gone");
    return (await import(/* @vite-ignore */ address)) as { parse: Parse };
  });
  return markdown;
}

/** The panel with all that is in it, and what calls a visitor back. */
export function loadPanel(): Promise<typeof import("../panel.tsx")> {
  panel ??= import("../panel.tsx");
  return panel;
}

/** Carousel, dropdown, form, upload, conversation list, info page, transcript, sound. */
export function loadExtras(): Promise<typeof import("../extras.tsx")> {
  extras ??= import("../extras.tsx");
  return extras;
}

/** The words for what is wrong with a configuration. */
export function loadExplain(): Promise<typeof import("../config/explain.ts")> {
  return import("../config/explain.ts");
}
