// The lazy chunk `md`: marked's lexer, and its tokens brought to our blocks. Raw HTML is kept as the text it is.
import { Lexer, type Token, type Tokens } from "marked";
import type { Align, Block, Inline, Item } from "./blocks.ts";

/** Deepest nesting that is followed; below it, text is shown as written. */
const DEEPEST = 12;

/** Makes blocks out of markdown text (GitHub's kind, line breaks kept). Never throws. */
export function parse(text: string): readonly Block[] {
  try {
    return blocks(new Lexer({ gfm: true, breaks: true, silent: true }).lex(text), 0);
  } catch {
    return [{ k: "p", c: [text] }];
  }
}

function blocks(tokens: readonly Token[], depth: number): Block[] {
  return tokens.flatMap((token) => block(token, depth));
}

function block(token: Token, depth: number): Block[] {
  if (depth > DEEPEST) return [{ k: "p", c: [token.raw] }];
  switch (token.type) {
    case "space":
    case "def":
      return [];
    case "heading":
      return [{ k: "h", n: (token as Tokens.Heading).depth, c: inlines(token.tokens, depth) }];
    case "code": {
      const code = token as Tokens.Code;
      return [{ k: "code", lang: (code.lang ?? "").split(/\s/)[0] ?? "", t: code.text }];
    }
    case "blockquote":
      return [{ k: "quote", c: blocks(token.tokens ?? [], depth + 1) }];
    case "list": {
      const list = token as Tokens.List;
      const items = list.items.map((item): Item => ({
        ...(item.task ? { checked: item.checked === true } : {}),
        c: blocks(item.tokens.filter((part) => part.type !== "checkbox"), depth + 1),
      }));
      return [list.ordered ? { k: "ol", start: Number(list.start) || 0, items } : { k: "ul", items }];
    }
    case "table": {
      const table = token as Tokens.Table;
      const cell = (one: Tokens.TableCell) => inlines(one.tokens, depth);
      return [{ k: "table", align: table.align as Align[], head: table.header.map(cell), rows: table.rows.map((row) => row.map(cell)) }];
    }
    case "hr":
      return [{ k: "hr" }];
    case "html":
      return [{ k: "p", c: [token.raw.trimEnd()] }];
    case "paragraph":
    case "text":
      return [{ k: "p", c: token.tokens ? inlines(token.tokens, depth) : [(token as Tokens.Text).text] }];
    default:
      return [{ k: "p", c: [token.raw] }];
  }
}

function inlines(tokens: readonly Token[] | undefined, depth: number): Inline[] {
  return (tokens ?? []).map((token) => inline(token, depth + 1));
}

function inline(token: Token, depth: number): Inline {
  if (depth > DEEPEST) return token.raw;
  switch (token.type) {
    case "strong":
      return { k: "b", c: inlines(token.tokens, depth) };
    case "em":
      return { k: "i", c: inlines(token.tokens, depth) };
    case "del":
      return { k: "s", c: inlines(token.tokens, depth) };
    case "codespan":
      return { k: "code", t: (token as Tokens.Codespan).text };
    case "br":
      return { k: "br" };
    case "link":
      return { k: "a", href: (token as Tokens.Link).href, c: inlines(token.tokens, depth) };
    case "image":
      return { k: "img", src: (token as Tokens.Image).href, alt: (token as Tokens.Image).text };
    case "text":
      return (token as Tokens.Text).text;
    case "escape":
      return (token as Tokens.Escape).text;
    default:
      return token.raw;
  }
}
