// Blocks and inlines to elements. Addresses are judged here, so that no parser has to be trusted.
import type { ComponentChildren, VNode } from "preact";
import { hostOf, hostToShow, LINK_REL, safeHref, safeMedia, splitLinks } from "./links.ts";
import type { Block, Inline } from "./blocks.ts";

/** What rendering has to know of its surroundings. */
export interface Rendering {
  /** Hosts whose pictures are loaded; others become links. */
  readonly imageHosts: readonly string[];
  /** Said to screen readers after a link. */
  readonly newWindow: string;
  /** A link is about to open; false keeps it shut. */
  readonly onLink: (href: string) => boolean;
}

export function renderBlock(block: Block, how: Rendering, key: number | string): VNode {
  switch (block.k) {
    case "p":
      return <p key={key} dir="auto">{block.c.map((part, i) => renderInline(part, how, i))}</p>;
    case "h":
      // A message has no place in the page's outline below its own; the look alone says "heading".
      return <p key={key} dir="auto" className={`pt-md-h pt-md-h${Math.min(block.n, 4)}`}>{block.c.map((part, i) => renderInline(part, how, i))}</p>;
    // The list as a whole has a direction: its marks stand on that side.
    case "ul":
      return <ul key={key} dir="auto">{block.items.map((item, i) => <li key={i} className={item.checked === undefined ? "" : "pt-md-task"}>{task(item.checked)}{tight(item.c, how)}</li>)}</ul>;
    case "ol":
      return <ol key={key} dir="auto" start={block.start}>{block.items.map((item, i) => <li key={i}>{tight(item.c, how)}</li>)}</ol>;
    case "quote":
      return <blockquote key={key}>{block.c.map((part, i) => renderBlock(part, how, i))}</blockquote>;
    case "code":
      return <pre key={key} dir="ltr" tabIndex={0} data-lang={block.lang || undefined}><code>{block.t}</code></pre>;
    case "table":
      return (
        <div key={key} className="pt-md-table" tabIndex={0}>
          <table>
            <thead><tr>{block.head.map((cell, i) => <th key={i} data-align={block.align[i] ?? undefined} dir="auto">{cell.map((part, j) => renderInline(part, how, j))}</th>)}</tr></thead>
            <tbody>{block.rows.map((row, r) => <tr key={r}>{row.map((cell, i) => <td key={i} data-align={block.align[i] ?? undefined} dir="auto">{cell.map((part, j) => renderInline(part, how, j))}</td>)}</tr>)}</tbody>
          </table>
        </div>
      );
    case "hr":
      return <hr key={key} />;
  }
}

/** A list item of one paragraph stands without the paragraph's room. */
function tight(content: readonly Block[], how: Rendering): ComponentChildren {
  return content.map((block, i) => (block.k === "p" ? <span key={i} className="pt-md-li">{block.c.map((part, j) => renderInline(part, how, j))}</span> : renderBlock(block, how, i)));
}

function task(checked: boolean | undefined): ComponentChildren {
  return checked === undefined ? null : <span className="pt-md-check" role="img" aria-label={checked ? "✓" : "–"}>{checked ? "☑" : "☐"} </span>;
}

export function renderInline(part: Inline, how: Rendering, key: number | string): ComponentChildren {
  if (typeof part === "string") return part;
  switch (part.k) {
    case "b":
      return <strong key={key}>{part.c.map((child, i) => renderInline(child, how, i))}</strong>;
    case "i":
      return <em key={key}>{part.c.map((child, i) => renderInline(child, how, i))}</em>;
    case "s":
      return <del key={key}>{part.c.map((child, i) => renderInline(child, how, i))}</del>;
    case "code":
      return <code key={key} dir="ltr">{part.t}</code>;
    case "br":
      return <br key={key} />;
    case "a": {
      const children = part.c.map((child, i) => renderInline(child, how, i));
      const href = safeHref(part.href);
      if (href === undefined) return <span key={key}>{children}</span>;
      return <Link key={key} href={href} how={how} text={textOf(part.c)}>{children}</Link>;
    }
    case "img": {
      const src = safeMedia(part.src);
      const label = part.alt || part.src;
      if (src === undefined) return label;
      if (mayLoad(src, how.imageHosts)) return <img key={key} className="pt-md-img" src={src} alt={part.alt} loading="lazy" decoding="async" referrerPolicy="no-referrer" />;
      return <Link key={key} href={src} how={how} text={label}>{label}</Link>;
    }
  }
}

/** A link out of a message: new window, no referrer, its host spelled out where the text could deceive. */
export function Link(props: { href: string; how: Rendering; text: string; className?: string; children?: ComponentChildren }) {
  const host = hostToShow(props.href, props.text);
  return (
    <a
      className={props.className}
      href={props.href}
      target="_blank"
      rel={LINK_REL}
      onClick={(event: { preventDefault(): void }) => {
        if (!props.how.onLink(props.href)) event.preventDefault();
      }}
    >
      {props.children}
      {host !== "" && <span className="pt-host"> ({host})</span>}
      <span className="pt-sr"> ({props.how.newWindow})</span>
    </a>
  );
}

/** Plain text, its web addresses made links. */
export function renderPlain(text: string, how: Rendering): ComponentChildren {
  return splitLinks(text).map((part, i) => (i % 2 === 0 ? part : <Link key={i} href={part} how={how} text={part}>{part}</Link>));
}

function textOf(parts: readonly Inline[]): string {
  return parts.map((part) => (typeof part === "string" ? part : part.k === "code" ? part.t : part.k === "br" ? " " : part.k === "img" ? part.alt : textOf(part.c))).join("");
}

/** Pictures of a message are loaded only from hosts the channel names (`*.example.com` too), and from this page itself. */
export function mayLoad(src: string, hosts: readonly string[]): boolean {
  if (/^(blob:|data:|\/)/i.test(src)) return true;
  const host = hostOf(src).toLowerCase();
  return hosts.some((allowed) => {
    const name = allowed.toLowerCase();
    return name.startsWith("*.") ? host.endsWith(name.slice(1)) : host === name;
  });
}
