// Markdown of a bot's message. While the text grows only its unstable end is read again; blocks before it keep
// their elements.
import { Component, createElement, type ComponentChildren } from "preact";
import { useMemo, useRef } from "preact/hooks";
import type { Block, Parse } from "../markdown/blocks.ts";
import { LINK_REL, safeHref, safeMedia } from "../markdown/links.ts";
import { Link, mayLoad, renderBlock, renderPlain, type Rendering } from "../markdown/render.tsx";
import { hasMarkdown, mend, stableEnd } from "../markdown/stream.ts";
import { loadMarkdown } from "../widget/chunks.ts";
import { useChunk, useSettings, useText, useWidget } from "../widget/context.ts";
import { loadHtml } from "./load-html.ts";

/** What the renderer has to know, from the settings. */
export function useRendering(): Rendering {
  const widget = useWidget();
  const { imageHosts } = useSettings();
  const t = useText();
  const own = widget.client.apiUrl;
  return useMemo(() => {
    let host: string[] = [];
    try {
      host = [new URL(own).host];
    } catch {
      // The page's own origin: its addresses are relative and pass anyway.
    }
    return { imageHosts: [...imageHosts, ...host], newWindow: t("newWindow"), onLink: widget.link };
  }, [imageHosts, t, own, widget]);
}

/** Plain text with its web addresses made links. */
export function Plain({ text }: { text: string }) {
  return <div className="pt-plain" dir="auto">{renderPlain(text, useRendering())}</div>;
}

export function Markdown({ text, streaming }: { text: string; streaming: boolean }) {
  const how = useRendering();
  const { html } = useSettings();
  const rich = hasMarkdown(text);
  const part = useChunk(loadMarkdown, rich);
  if (html && !streaming && /<[a-z/]/i.test(text)) return <Html text={text} how={how} />;
  // Until the parser is there, and if it never comes: the text as written.
  if (!rich || !part) return <Plain text={text} />;
  return <div className="pt-md">{streaming ? <Growing text={text} parse={part.parse} how={how} /> : <Whole text={text} parse={part.parse} how={how} />}</div>;
}

/** A block that is the same is not drawn again. */
class Piece extends Component<{ block: Block; how: Rendering }> {
  override shouldComponentUpdate(next: { block: Block; how: Rendering }): boolean {
    return next.block !== this.props.block || next.how !== this.props.how;
  }
  override render(): ComponentChildren {
    return renderBlock(this.props.block, this.props.how, 0);
  }
}

function Whole({ text, parse, how }: { text: string; parse: Parse; how: Rendering }) {
  const blocks = useMemo(() => parse(text), [text, parse]);
  return <>{blocks.map((block, i) => <Piece key={i} block={block} how={how} />)}</>;
}

function Growing({ text, parse, how }: { text: string; parse: Parse; how: Rendering }) {
  /** The stable text, and its blocks. */
  const grown = useRef<{ text: string; blocks: Block[] }>({ text: "", blocks: [] });
  if (!text.startsWith(grown.current.text)) grown.current = { text: "", blocks: [] };
  const kept = grown.current;
  const end = stableEnd(text, kept.text.length);
  if (end > kept.text.length) {
    kept.blocks.push(...parse(text.slice(kept.text.length, end)));
    kept.text = text.slice(0, end);
  }
  const blocks = [...kept.blocks, ...parse(mend(text.slice(end)))];
  return <>{blocks.map((block, i) => <Piece key={i} block={block} how={how} />)}</>;
}

function Html({ text, how }: { text: string; how: Rendering }) {
  const part = useChunk(loadHtml);
  if (!part) return part === null ? <Plain text={text} /> : <div className="pt-plain" />;
  return <div className="pt-md" dir="auto">{part.render(text, { createElement, safeHref, safeMedia, mayLoad, Link, rel: LINK_REL, how })}</div>;
}
