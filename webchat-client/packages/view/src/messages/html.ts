// The lazy chunk `html` (off by default): a bot's HTML, cleaned into nodes and then built anew as elements from a
// short list of tags. No string of HTML is ever given to the page. What it needs of the view is handed in, so that
// this part shares no code with the others and brings no further chunk.
import createPurify from "dompurify";
import type { ComponentChildren, createElement } from "preact";
import type { LINK_REL, safeHref, safeMedia } from "../markdown/links.ts";
import type { Link, mayLoad, Rendering } from "../markdown/render.tsx";

/** What the view lends. */
export interface Tools {
  readonly createElement: typeof createElement;
  readonly safeHref: typeof safeHref;
  readonly safeMedia: typeof safeMedia;
  readonly mayLoad: typeof mayLoad;
  readonly Link: typeof Link;
  readonly rel: typeof LINK_REL;
  readonly how: Rendering;
}

const TAGS = ["p", "br", "b", "strong", "i", "em", "u", "s", "del", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "h1", "h2", "h3", "h4", "table", "thead", "tbody", "tr", "th", "td", "a", "img", "span", "div", "sub", "sup", "small"];
const ATTRIBUTES = ["href", "src", "alt", "title", "start", "colspan", "rowspan", "dir", "lang"];
const VOID = new Set(["br", "hr", "img"]);

interface TrustedPolicies {
  createPolicy(name: string, rules: { createHTML(text: string): string; createScriptURL(text: string): string }): unknown;
}
let policy: unknown;
let purify: ReturnType<typeof createPurify> | undefined;

/** Elements of a bot's HTML. What the list does not know is left out, its text stays. */
export function render(text: string, tools: Tools): ComponentChildren {
  purify ??= createPurify(window);
  const policies = (window as { trustedTypes?: TrustedPolicies }).trustedTypes;
  try {
    // The cleaner reads its input through a parser that asks for a policy; ours passes the text through, since
    // nothing but the cleaner sees it.
    policy ??= policies?.createPolicy("portico", { createHTML: (value) => value, createScriptURL: () => "" });
    const clean = purify.sanitize(text, {
      ALLOWED_TAGS: TAGS,
      ALLOWED_ATTR: ATTRIBUTES,
      ALLOW_DATA_ATTR: false,
      RETURN_DOM_FRAGMENT: true,
      ...(policy === undefined ? {} : { TRUSTED_TYPES_POLICY: policy as never }),
    });
    return children(clean, tools);
  } catch {
    // A page whose policy forbids even that: the text as it was written.
    return text;
  }
}

function children(node: Node, tools: Tools): ComponentChildren[] {
  return [...node.childNodes].map((child, key) => element(child, tools, key));
}

function element(node: Node, tools: Tools, key: number): ComponentChildren {
  const { createElement, how } = tools;
  if (node.nodeType === 3) return node.nodeValue;
  if (!(node instanceof Element)) return null;
  const tag = node.localName;
  if (!TAGS.includes(tag)) return children(node, tools);
  const attribute = (name: string) => node.getAttribute(name) ?? undefined;
  if (tag === "a") {
    const href = tools.safeHref(attribute("href") ?? "");
    if (href === undefined) return createElement("span", { key }, children(node, tools));
    return createElement(tools.Link, { key, href, how, text: node.textContent ?? "" }, children(node, tools));
  }
  if (tag === "img") {
    const src = tools.safeMedia(attribute("src"));
    const alt = attribute("alt") ?? "";
    if (src === undefined) return alt;
    if (!tools.mayLoad(src, how.imageHosts)) return createElement("a", { key, href: src, target: "_blank", rel: tools.rel }, alt || src);
    return createElement("img", { key, className: "pt-md-img", src, alt, loading: "lazy", referrerPolicy: "no-referrer" });
  }
  const props: Record<string, unknown> = { key, title: attribute("title"), dir: attribute("dir"), lang: attribute("lang"), start: attribute("start"), colSpan: attribute("colspan"), rowSpan: attribute("rowspan") };
  for (const name of Object.keys(props)) if (props[name] === undefined) delete props[name];
  return VOID.has(tag) ? createElement(tag, props) : createElement(tag, props, children(node, tools));
}
