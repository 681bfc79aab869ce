// The part for channels with `html: true`; nobody else fetches it.

let html: Promise<typeof import("./html.ts")> | undefined;

export function loadHtml(): Promise<typeof import("./html.ts")> {
  html ??= import("./html.ts");
  return html;
}
