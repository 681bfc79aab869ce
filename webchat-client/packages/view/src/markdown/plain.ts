// A message as one line of plain text: for the status region, notifications and the list of conversations.
import type { Body } from "@portico/webchat";
import type { Translate } from "../i18n/texts.ts";

/** Markdown without its marks. Good enough to be read aloud; not a parser. */
export function withoutMarks(text: string): string {
  return text
    .replace(/^ {0,3}(`{3,}|~{3,}).*$/gm, "")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/^\s{0,3}(#{1,6}|>|[-+*]|\d+[.)])\s+/gm, "")
    .replace(/(\*{1,3}|_{2,3}|~~|`+)(?=\S)([^\n]*?\S)\1/g, "$2")
    .replace(/\s+/g, " ")
    .trim();
}

/** What a message says, in words. Never empty. */
export function summary(body: Body, t: Translate): string {
  switch (body.type) {
    case "text":
      return withoutMarks(body.text) || t("message");
    case "system":
      return body.text;
    case "image":
    case "audio":
    case "video":
    case "file":
      return body.title ? `${t(body.type)}: ${body.title}` : t(body.type);
    case "location":
      return [t("location"), body.title ?? body.address].filter(Boolean).join(": ");
    case "card":
      return sentences([body.title, body.subtitle ?? ""]);
    case "carousel":
      return `${t("carousel")}: ${body.items.map((item) => item.title).join(", ")}`;
    case "choice":
    case "dropdown":
      return `${withoutMarks(body.text)} ${body.options.map((option) => option.label).join(", ")}`.trim();
    case "form":
      return body.values ? `${t("form")}: ${Object.values(body.values).join(", ")}` : [t("form"), body.title ?? body.text].filter(Boolean).join(": ");
    case "bloc":
      return sentences(body.items.map((item) => summary(item, t))) || t("message");
    case "custom":
    case "unknown":
      return body.fallback ?? t("unsupported");
  }
}

/** One after another, with a full stop where one lacks an end of its own. */
function sentences(parts: readonly string[]): string {
  return parts.reduce((all, one) => (all && one ? `${all}${/[\p{P}]$/u.test(all) ? "" : "."} ${one}` : all || one), "");
}
