// Reads one key of a configuration: each key has one reader that answers with a good value or `undefined`.
// What a reader expects stands in `explain.ts`, which is fetched only for a page that has made a mistake.
import type { FormField } from "@portico/webchat";
import type { InfoLink, PreChatSettings, ProactiveSettings, Settings, UploadSettings } from "./settings.ts";

type Reader<T> = (value: unknown) => T | undefined;

const text: Reader<string> = (value) => (typeof value === "string" ? value : undefined);
const flag: Reader<boolean> = (value) =>
  typeof value === "boolean" ? value : value === "true" ? true : value === "false" ? false : undefined;
const count: Reader<number> = (value) => {
  const n = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof n === "number" && Number.isSafeInteger(n) ? n : undefined;
};
/** A CSS length; a bare number means pixels. Nothing that could end the declaration. */
const length: Reader<string> = (value) => {
  if (typeof value === "number" && Number.isFinite(value)) return `${value}px`;
  if (typeof value !== "string") return undefined;
  const trimmed = value.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return `${trimmed}px`;
  return /^(\d*\.?\d+(px|rem|em|%|vw|vh|dvh|svh|ch)|(min|max|clamp|calc)\([\w\s.,%+*/()-]+\))$/.test(trimmed) ? trimmed : undefined;
};
const color: Reader<string> = (value) =>
  typeof value === "string" && /^(#[\da-f]{3,8}|[a-z]+|(rgb|hsl|hwb|oklch|oklab|lch|lab|color)a?\([\w\s.,%/+-]+\))$/i.test(value.trim())
    ? value.trim()
    : undefined;
/** An address of a picture or page. */
const address: Reader<string> = (value) => {
  if (typeof value !== "string" || value.trim() === "") return undefined;
  return /^(https?:|data:image\/(png|jpe?g|gif|webp|avif|svg\+xml)|blob:|\/|\.)/i.test(value.trim()) ? value.trim() : undefined;
};
function oneOf<const T extends string>(...values: T[]): Reader<T> {
  return (value) => values.find((candidate) => candidate === value);
}
const texts: Reader<string[]> = (value) => {
  const list = typeof value === "string" ? value.split(",").map((part) => part.trim()) : value;
  return Array.isArray(list) && list.every((item) => typeof item === "string") ? (list as string[]) : undefined;
};
/** Flat record of texts: at most 50 keys of at most 500 characters, as the gateway takes them. */
const flat: Reader<Record<string, string>> = (value) => {
  if (!isRecord(value)) return undefined;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined && item !== null);
  if (entries.length > 50) return undefined;
  const out: Record<string, string> = {};
  for (const [key, item] of entries) {
    if (typeof item === "object") return undefined;
    const asText = String(item);
    if (asText.length > 500) return undefined;
    out[key] = asText;
  }
  return out;
};
const record: Reader<Record<string, unknown>> = (value) => (isRecord(value) ? value : undefined);

const info: Reader<Settings["info"]> = (value) => {
  if (!isRecord(value)) return undefined;
  const out: { -readonly [key in keyof Settings["info"]]: InfoLink } = {};
  for (const key of ["website", "phone", "email", "terms", "privacy"] as const) {
    const link = infoLink(key, value[key]);
    if (link) out[key] = link;
  }
  return out;
};
/** One link of the info page from `"text"` or `{title, link}`. Numbers and addresses get their scheme. */
export function infoLink(key: "website" | "phone" | "email" | "terms" | "privacy", value: unknown): InfoLink | undefined {
  const raw = isRecord(value) ? (value["link"] ?? value["title"]) : value;
  if (typeof raw !== "string" || raw.trim() === "") return undefined;
  const title = isRecord(value) && typeof value["title"] === "string" ? value["title"] : raw;
  const target = raw.trim();
  const link =
    key === "phone" ? (/^tel:/i.test(target) ? target : `tel:${target.replace(/[^\d+]/g, "")}`)
    : key === "email" ? (/^mailto:/i.test(target) ? target : `mailto:${target}`)
    : /^https?:\/\//i.test(target) ? target
    : /^[a-z][a-z\d+.-]*:/i.test(target) ? undefined
    : `https://${target}`;
  return link === undefined ? undefined : { title, link };
}

const upload: Reader<Partial<UploadSettings>> = (value) => {
  const on = flag(value);
  if (on !== undefined) return { enabled: on };
  if (!isRecord(value)) return undefined;
  return defined({
    enabled: flag(value["enabled"]),
    maxBytes: count(value["maxBytes"]),
    accept: texts(value["accept"]),
    maxFiles: count(value["maxFiles"]),
  });
};
const proactive: Reader<ProactiveSettings> = (value) => {
  if (typeof value === "string") return { text: value, delayMs: 3000, when: "delay", once: true };
  if (!isRecord(value) || typeof value["text"] !== "string" || value["text"] === "") return undefined;
  return {
    text: value["text"],
    delayMs: Math.max(0, count(value["delayMs"]) ?? 3000),
    when: oneOf("delay", "idle", "exit")(value["when"]) ?? "delay",
    once: flag(value["once"]) ?? true,
  };
};
const FIELD_KINDS = oneOf("text", "email", "tel", "number", "date", "textarea", "select", "checkbox");
/** Fields of a form from outside: what has no name is left out, an unknown kind is a line of text. */
export function formFields(value: unknown): FormField[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: unknown): FormField[] => {
    if (!isRecord(item) || typeof item["name"] !== "string" || item["name"] === "") return [];
    const options = Array.isArray(item["options"])
      ? item["options"].flatMap((option: unknown) =>
          typeof option === "string" ? [{ label: option, value: option }]
          : isRecord(option) && typeof option["label"] === "string" ? [{ label: option["label"], value: String(option["value"] ?? option["label"]) }]
          : [])
      : undefined;
    return [
      defined({
        name: item["name"],
        label: text(item["label"]) ?? item["name"],
        kind: FIELD_KINDS(item["kind"] ?? item["type"]) ?? "text",
        required: flag(item["required"]),
        placeholder: text(item["placeholder"]),
        value: text(item["value"]),
        options,
        max: count(item["max"]),
      }) as FormField,
    ];
  });
}
const preChat: Reader<PreChatSettings> = (value) => {
  if (!isRecord(value)) return undefined;
  const fields = formFields(value["fields"]);
  if (fields.length === 0) return undefined;
  return defined({
    fields,
    title: text(value["title"]),
    text: text(value["text"]),
    submit: text(value["submit"]),
  }) as PreChatSettings;
};
const thumbs: Reader<"off" | "thumbs"> = (value) => (value === "thumbs" || value === "on" || value === true ? "thumbs" : value === "off" || value === false ? "off" : undefined);
const shown: Reader<Settings["timestamps"]> = (value) =>
  value === true ? "always" : value === false ? "never" : oneOf("always", "hover", "never")(value);
const cssText: Reader<string> = (value) => (typeof value === "string" && !/^\s*https?:\/\/\S+\s*$/i.test(value) ? value : undefined);

/** One reader per key. A key without one does not exist. */
export const READERS: { readonly [K in keyof Settings]-?: Reader<unknown> } = {
  botName: text,
  botAvatar: address,
  launcherImage: address,
  coverImage: address,
  description: text,
  composerPlaceholder: text,
  locale: text,
  theme: oneOf("light", "dark", "auto"),
  accent: color,
  radius: length,
  font: text,
  css: cssText,
  position: oneOf("end-bottom", "start-bottom", "end-top", "start-top"),
  offset: length,
  zIndex: count,
  width: length,
  height: length,
  launcher: flag,
  showClose: flag,
  closeOnEscape: flag,
  animations: flag,
  timestamps: shown,
  conversationList: flag,
  transcript: flag,
  deletion: flag,
  storage: oneOf("local", "session", "none"),
  persistHistory: flag,
  sound: flag,
  desktopNotifications: flag,
  info,
  showInfo: flag,
  upload,
  html: flag,
  imageHosts: texts,
  mapUrl: text,
  feedback: thumbs,
  proactive,
  preChat,
  welcomeMessage: text,
  connect: oneOf("auto", "load", "open"),
  user: flat,
  data: flat,
  footer: text,
  className: text,
  strings: record,
};

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The record without its `undefined` entries. */
export function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
