// Which addresses a message may open, and what a reader is shown of them.

const SCHEMES = new Set(["http:", "https:", "mailto:", "tel:"]);
/** A host longer than this is spelled out beside the text of its link. */
const LONG_HOST = 40;

/** What every link out of a message carries: no way back to this page, no ranking, no trust. */
export const LINK_REL = "noopener noreferrer nofollow ugc";

/**
 * The address if a click may open it, else `undefined`.
 *
 * Absolute addresses of the schemes http, https, mailto and tel pass; `javascript:`, `data:`, relative addresses and
 * everything with control characters do not.
 */
export function safeHref(raw: string): string | undefined {
  const text = raw.trim();
  // Browsers skip tabs, new lines and nulls inside a scheme; an honest address has none.
  if (text === "" || /[\u0000-\u0020\u007f-\u009f]/.test(text)) return undefined;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  return SCHEMES.has(url.protocol) ? text : undefined;
}

/** Address of a picture, sound or film that may be loaded: http(s), or what this page made itself. */
export function safeMedia(raw: string | undefined): string | undefined {
  if (raw === undefined) return undefined;
  const text = raw.trim();
  if (/^(blob:|data:(image\/(png|jpe?g|gif|webp|avif|svg\+xml)|audio\/|video\/))/i.test(text)) return text;
  if (/^\/(?!\/)/.test(text)) return text;
  const href = safeHref(text);
  return href !== undefined && /^https?:/i.test(href) ? href : undefined;
}

/** Host of an address, or the empty text. */
export function hostOf(href: string): string {
  try {
    return new URL(href).host;
  } catch {
    return "";
  }
}

/**
 * The host to spell out after a link's text: when it is long or punycode, or when the text names another host
 * than the one that opens. Empty = the text says enough.
 */
export function hostToShow(href: string, text: string): string {
  const host = hostOf(href);
  if (host === "") return "";
  const shown = text.trim().toLowerCase();
  const claimed = /^(?:https?:\/\/)?((?:[\p{L}\p{N}-]+\.)+\p{L}{2,})(?=[/:?#]|$)/u.exec(shown)?.[1];
  if (claimed !== undefined && !sameHost(claimed, host)) return host;
  if (/(^|\.)xn--/i.test(host) && !shown.includes(host.toLowerCase())) return host;
  return host.length > LONG_HOST && !shown.includes(host.toLowerCase()) ? host : "";
}

function sameHost(a: string, b: string): boolean {
  const bare = (host: string) => host.toLowerCase().replace(/^www\./, "").replace(/:\d+$/, "");
  return bare(a) === bare(b);
}

/** Plain text cut at the web addresses in it: even places are text, odd places are addresses. */
export function splitLinks(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"'`\u0000-\u001f]+/gi)) {
    const found = match[0].replace(/[.,;:!?)\]}»”’]+$/u, (tail) => (tail.startsWith(")") && match[0].includes("(") ? ")" : ""));
    if (safeHref(found) === undefined) continue;
    parts.push(text.slice(from, match.index), found);
    from = match.index + found.length;
  }
  parts.push(text.slice(from));
  return parts;
}
