// A text that still grows: what of it will not change any more, and how its end is shown without half a syntax.

/**
 * Where the last stable block ends, at or after `from`: everything before reads the same whatever follows.
 * A block is stable when a blank line has ended it outside of a code fence and the next line is there and not
 * indented (an indented line may still belong to the list above).
 */
export function stableEnd(text: string, from: number): number {
  let end = from;
  let fence: string | undefined;
  let blank = false;
  let at = from;
  while (at < text.length) {
    const newline = text.indexOf("\n", at);
    const line = newline < 0 ? text.slice(at) : text.slice(at, newline);
    if (fence === undefined && blank && newline >= 0 && line.trim() !== "" && !/^[ \t]/.test(line)) end = at;
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (mark !== undefined && fence === undefined) fence = mark;
    else if (mark !== undefined && fence !== undefined && mark[0] === fence[0] && mark.length >= fence.length && line.trim() === mark) fence = undefined;
    blank = line.trim() === "";
    if (newline < 0) break;
    at = newline + 1;
  }
  return end;
}

/** The growing end, mended for showing: open marks are closed, half links show their text, lone marks wait. */
export function mend(tail: string): string {
  const fences = tail.match(/^ {0,3}(`{3,}|~{3,})/gm) ?? [];
  if (fences.length % 2 === 1) return tail;
  const cut = tail.lastIndexOf("\n") + 1;
  const before = tail.slice(0, cut);
  let line = tail.slice(cut);
  // A line that is only marks so far: a list, heading, rule, fence or table that has yet to show what it is.
  if (/^\s*([#>*+\-_=~`|]+|\d+[.)]?)\s*$/.test(line)) return before;
  // Half a link or picture: `[text`, `[text](http://…`.
  line = line.replace(/!\[[^\]]*(\](\([^)]*)?)?$/, "");
  line = line.replace(/\[([^\[\]]*)(\](\([^)]*)?)?$/, (whole, label: string, closed?: string) =>
    closed === "]" ? `${label}` : closed === undefined || closed.startsWith("](") ? label : whole);
  if ((line.match(/`/g)?.length ?? 0) % 2 === 1) return before + (line.endsWith("`") ? line.slice(0, -1) : `${line}\``);
  line = line.replace(/(\*{1,3}|_{1,3}|~{1,2})$/, (mark, _all, offset: number) =>
    openMark(line.slice(0, offset), mark) ? mark : "");
  for (const mark of ["**", "__", "~~", "*", "_"]) {
    if (openMark(line, mark)) line = line.trimEnd() + mark;
  }
  return before + line;
}

/** Whether a mark was opened in the line and not closed. */
function openMark(line: string, mark: string): boolean {
  const code = line.replace(/`[^`]*`/g, "").replace(/\\./g, "");
  const single = mark.length === 1;
  const escaped = mark.replace(/[*~_]/g, "\\$&");
  const own = single ? code.replace(new RegExp(`${escaped}{2}`, "g"), "") : code;
  const count = own.match(new RegExp(escaped, "g"))?.length ?? 0;
  if (count % 2 === 0) return false;
  // `snake_case` and `2 * 3` open nothing.
  const opens = new RegExp(`(^|[\\s(\\[{"'*_~])${escaped}(?=[^\\s*_~])`);
  const last = own.lastIndexOf(mark);
  return opens.test(own.slice(Math.max(0, last - 1)));
}

/** Whether a text needs the markdown chunk at all; most short answers do not. */
export function hasMarkdown(text: string): boolean {
  return /[*_`~#>[\]|<&\\]|https?:\/\/|www\.|\S@\S+\.\S|\n\s*\n|^\s*([-+]|\d+[.)])\s|^\s*([-=]){3,}\s*$/m.test(text);
}
