/**
 * Narrows what a message says to `Body`, and what an item of the stream says to `Message`.
 *
 * Lenient on purpose: besides the wire's own names it takes those of the runtime API (`imageUrl`, `latitude`,
 * `markdown`, nested `bloc` items), so that a payload which a bot wrote by hand is shown rather than refused.
 */
import type { Body, Message, MessageStatus } from "./messages.ts";
import { type Fields, fit, isObject, textOf } from "./shape.ts";

const MEDIA = "url title? w#? h#? poster? mime? size#? file?";
const CARD = "title subtitle? image? imageAlt? actions:action*";
const OPTIONS = "text~ options:option* placeholder? disableFreeText!?";
const SHAPES: Record<string, string> = {
  text: "text~ format? value?",
  image: MEDIA,
  audio: MEDIA,
  video: MEDIA,
  file: MEDIA,
  location: "lat# lon# title? address?",
  card: CARD,
  carousel: "items:card*",
  choice: OPTIONS,
  dropdown: OPTIONS,
  form: "title? text? submit? fields:field* values{}?",
  bloc: "items:body*",
  system: "text",
  custom: "name url? data@? fallback?",
};
const ITEMS: Record<string, string> = {
  card: CARD,
  action: "action label value",
  option: "label value",
  field: "name label kind required!? placeholder? value? options:option*? max#?",
};
const isOneOf = (value: unknown, words: string): boolean => words.split(" ").includes(String(value));

/** The runtime API's names as the wire's. */
function renamed(data: Fields, type: string): Fields {
  return {
    ...data,
    url: data.url ?? data[`${type}Url`],
    file: data.file ?? data.fileId,
    image: data.image ?? data.imageUrl,
    lat: data.lat ?? data.latitude,
    lon: data.lon ?? data.longitude,
  };
}

function itemOf(entry: unknown, shape: string, depth: number): unknown {
  if (shape === "body") return bodyOf(entry, depth + 1);
  const data: Fields = isObject(entry) ? { ...entry } : { value: entry };
  const { value, type } = data;
  data.label ??= shape === "field" ? data.name : (data.title ?? value);
  if (shape !== "field") data.value = value ?? data.url ?? data.label;
  data.action ??= type ?? "say";
  data.kind ??= type;
  if (!isOneOf(data.kind, "text email tel number date textarea select checkbox")) data.kind = "text";
  if (shape === "action" && !isOneOf(data.action, "url postback say phone copy")) return undefined;
  const found = fit(renamed(data, shape), ITEMS[shape] ?? "", (inner, of) => itemOf(inner, of, depth));
  return found && shape === "card" ? { type: "card", ...found } : found;
}

function bodyOf(value: unknown, depth: number): Body {
  const outer = isObject(value) ? value : {};
  const data: Fields = isObject(outer.payload)
    ? { ...outer.payload, type: outer.type ?? outer.payload.type }
    : { ...outer };
  const name = textOf(data.type) ?? "";
  let type = name;
  if (type === "markdown") Object.assign(data, { text: data.text ?? data.markdown, format: "md" });
  if (type === "markdown") type = "text";
  if (!isOneOf(data.format, "md plain")) delete data.format;
  const shape = Object.hasOwn(SHAPES, type) ? SHAPES[type] : undefined;
  // A bloc in a bloc in a bloc is somebody's mistake, not a message.
  const found = shape && depth < 5 && fit(renamed(data, type), shape, (entry, of) => itemOf(entry, of, depth));
  if (found && (type !== "carousel" || (found.items as []).length)) return { type, ...found } as Body;
  const fallback = textOf(data.fallback) ?? textOf(data.text);
  return { type: "unknown", name, data, ...(fallback ? { fallback } : {}) };
}

/** Whatever came, as something a view can show: `unknown` in the worst case. Never throws. */
export const readBody = (data: unknown): Body => bodyOf(data, 0);

/** A status, or undefined for one that this version does not know. */
export const statusOf = (value: unknown): MessageStatus | undefined =>
  isOneOf(value, "sent delivered read failed") ? (value as MessageStatus) : undefined;

/** The data of a `msg` item, or an entry of a page of history. */
export function readMessage(conv: string, data: Fields, seq?: number): Message | undefined {
  const found = fit({ ...data, seq: seq ?? data.seq }, "id cid? seq#? replyTo? feedback? meta{}?");
  if (!found) return undefined;
  const from = (isOneOf(data.from, "user bot agent system") ? data.from : "bot") as Message["from"];
  // Another person's words in a shared conversation are `user` too, but not own.
  const own = data.own === true;
  if (!own) delete found.cid;
  return {
    ...found,
    key: found.cid ?? found.id,
    conv,
    from,
    own,
    ts: Number(data.ts) || 0,
    body: readBody(isObject(data.msg) ? data.msg : data),
    ...(isObject(data.author) ? { author: fit(data.author, "name? avatar?") } : {}),
    ...(own ? { status: statusOf(data.status) ?? "sent" } : {}),
  } as Message;
}
