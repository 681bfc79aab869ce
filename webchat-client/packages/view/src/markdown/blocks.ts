// What markdown becomes before it is shown: plain data, no HTML anywhere. `parse.ts` (a lazy chunk) makes it,
// `render.tsx` turns it into elements, so a chunk of another release can be used without sharing the renderer.

export type Inline =
  | string
  | { readonly k: "b" | "i" | "s"; readonly c: readonly Inline[] }
  | { readonly k: "code"; readonly t: string }
  | { readonly k: "a"; readonly href: string; readonly c: readonly Inline[] }
  | { readonly k: "img"; readonly src: string; readonly alt: string }
  | { readonly k: "br" };

export type Align = "left" | "center" | "right" | null;

export type Block =
  | { readonly k: "p"; readonly c: readonly Inline[] }
  | { readonly k: "h"; readonly n: number; readonly c: readonly Inline[] }
  | { readonly k: "ul"; readonly items: readonly Item[] }
  | { readonly k: "ol"; readonly start: number; readonly items: readonly Item[] }
  | { readonly k: "quote"; readonly c: readonly Block[] }
  | { readonly k: "code"; readonly lang: string; readonly t: string }
  | { readonly k: "table"; readonly align: readonly Align[]; readonly head: readonly (readonly Inline[])[]; readonly rows: readonly (readonly (readonly Inline[])[])[] }
  | { readonly k: "hr" };

export interface Item {
  /** Of a task list; absent on other lists. */
  readonly checked?: boolean;
  readonly c: readonly Block[];
}

/** Makes blocks out of markdown text. Never throws: what cannot be read is a paragraph of text. */
export type Parse = (text: string) => readonly Block[];
