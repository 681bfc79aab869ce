/** The border to the gateway: text in, a frame whose required fields are there and of their kind out. */
import type { ServerFrame } from "./frames.ts";
import { type Fields, fit, isObject } from "./shape.ts";

/** Required fields; what is optional is checked below, for a wrong one makes the frame worthless. */
const SHAPES: Fields = {
  welcome: "v# sid user{} hb#",
  ack: "id",
  nack: "id code",
  ev: "conv seq# kind~ data{}",
  delta: "conv mid n# s~",
  typing: "conv on!",
  cmd: "name",
  pong: "t",
  reset: "conv from#",
  bye: "code",
};

/** A frame, or undefined for what this version does not understand; it is skipped then. */
export function toFrame(value: unknown): ServerFrame | undefined {
  const shape = isObject(value) && Object.hasOwn(SHAPES, String(value.t)) ? SHAPES[String(value.t)] : undefined;
  if (!isObject(value) || typeof shape !== "string" || !fit(value, shape)) return undefined;
  // Places begin at 1, counts at 0, all whole; an absent one may be null, as gateways differ in how they leave something out.
  const whole = (name: string, least: number): boolean =>
    value[name] == null || (Number.isSafeInteger(value[name]) && (value[name] as number) >= least);
  const good =
    whole("seq", 1) &&
    whole("from", 1) &&
    whole("n", 0) &&
    whole("retry", 0) &&
    (value.t !== "welcome" || (value.v === 1 && isObject(value.user) && typeof value.user.id === "string"));
  return good ? (value as unknown as ServerFrame) : undefined;
}

/** The same, from the text of a frame. */
export function readFrame(text: string): ServerFrame | undefined {
  try {
    return toFrame(JSON.parse(text));
  } catch {
    return undefined;
  }
}
