/** The shared fixtures: the schema and the client agree with each of them, and they with one another. */
import Ajv from "ajv/dist/2020.js";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readBody } from "../src/index.ts";
import { readFrame } from "../src/parse.ts";
import { readMessage } from "../src/payload.ts";

interface Fixture {
  dir: "c2s" | "s2c";
  valid: boolean;
  ignored?: boolean;
  why: string;
  frame: { t: string; kind?: string; conv?: string; seq?: number; data?: Record<string, unknown> };
}
const folder = new URL("../../../protocol/", import.meta.url);
const schema = JSON.parse(readFileSync(new URL("frames.schema.json", folder), "utf8")) as object;
const ajv = new Ajv({ strict: true, strictRequired: false, strictTypes: false });
ajv.addSchema(schema, "frames");
const checks = {
  c2s: ajv.compile({ $ref: "frames#/$defs/client" }),
  s2c: ajv.compile({ $ref: "frames#/$defs/server" }),
};
const fixtures = readdirSync(new URL("fixtures/", folder)).map(
  (name) => [name, JSON.parse(readFileSync(new URL(`fixtures/${name}`, folder), "utf8")) as Fixture] as const,
);

test("there are fixtures of every frame", () => {
  const found = new Set(fixtures.filter(([, one]) => one.valid).map(([, one]) => `${one.dir} ${one.frame.t}`));
  for (const t of ["hello", "send", "event", "user", "auth", "conv", "seen", "read", "typing", "sync", "ping"])
    expect(found).toContain(`c2s ${t}`);
  for (const t of ["welcome", "ack", "nack", "ev", "delta", "typing", "cmd", "pong", "reset", "bye"])
    expect(found).toContain(`s2c ${t}`);
});

describe.each(fixtures)("%s", (_name, fixture) => {
  test(`schema: ${fixture.why}`, () => {
    expect(checks[fixture.dir](fixture.frame)).toBe(fixture.valid);
  });
  test.runIf(fixture.dir === "s2c")(`client: ${fixture.why}`, () => {
    const frame = readFrame(JSON.stringify(fixture.frame));
    if (fixture.valid && !fixture.ignored) expect(frame).toEqual(fixture.frame);
    else expect(frame).toBeUndefined();
  });
  test.runIf(fixture.dir === "s2c" && fixture.valid && fixture.frame.kind === "msg")(
    "its message is read whole",
    () => {
      const { conv = "", seq, data = {} } = fixture.frame;
      const message = readMessage(conv, data, seq);
      expect(message?.id).toBe(data.id);
      expect(message?.seq).toBe(seq);
      if (message?.body.type === "unknown") expect(message.body.fallback).toBe(data.fallback);
      else {
        // Nothing that the wire says about the body is lost on the way to a view.
        const { id, cid, from, own, ts, author, draft, feedback, replyTo, status, meta, ...body } = data;
        void [id, cid, from, own, ts, author, draft, feedback, replyTo, status, meta];
        expect(JSON.parse(JSON.stringify(message?.body))).toEqual(
          body.type === "carousel"
            ? { ...body, items: (body.items as object[]).map((item) => ({ type: "card", ...item })) }
            : body,
        );
      }
    },
  );
});

test("payloads as a bot writes them for the runtime API are shown too", () => {
  expect(readBody({ type: "image", imageUrl: "https://x.test/a.png" })).toEqual({
    type: "image",
    url: "https://x.test/a.png",
  });
  expect(readBody({ type: "markdown", markdown: "*a*" })).toEqual({ type: "text", text: "*a*", format: "md" });
  expect(readBody({ type: "location", latitude: 1, longitude: 2 })).toEqual({ type: "location", lat: 1, lon: 2 });
  expect(readBody({ type: "bloc", items: [{ type: "text", payload: { text: "a" } }] })).toEqual({
    type: "bloc",
    items: [{ type: "text", text: "a" }],
  });
  expect(
    readBody({
      type: "carousel",
      items: [{ title: "One", imageUrl: "u", actions: [{ action: "say", label: "Hi", value: "hi" }] }],
    }),
  ).toEqual({
    type: "carousel",
    items: [{ type: "card", title: "One", image: "u", actions: [{ action: "say", label: "Hi", value: "hi" }] }],
  });
});

test("what makes no sense is unknown, and never throws", () => {
  for (const data of [
    undefined,
    null,
    7,
    "x",
    [],
    {},
    { type: 7 },
    { type: "text" },
    { type: "image", url: "" },
    { type: "location", lat: "1", lon: 2 },
    { type: "carousel", items: "x" },
    { type: "constructor" },
    { type: "__proto__" },
    { type: "card", actions: [null, {}, 5] },
  ])
    expect(readBody(data).type).toBe("unknown");
  let deep: unknown = { type: "text", text: "x" };
  for (let n = 0; n < 1000; n++) deep = { type: "bloc", items: [deep] };
  expect(readBody(deep).type).toBe("bloc");
  expect(
    readBody({ type: "choice", text: "?", options: [null, {}, { label: "" }, "Yes", { label: "No", value: 5 }] }),
  ).toEqual({
    type: "choice",
    text: "?",
    options: [{ label: "Yes", value: "Yes" }],
  });
});

test("a page of history tells how far each own message got; without a word it is stored and no more", () => {
  const { page } = JSON.parse(readFileSync(new URL("pages/messages.json", folder), "utf8")) as { page: { messages: Record<string, unknown>[] } };
  const rows = page.messages.map((entry) => readMessage("c1", entry));
  expect(rows.map((row) => [row?.id, row?.status])).toEqual([
    ["m4", "sent"],
    ["m3", "failed"],
    ["m2", undefined],
    ["m1", "delivered"],
  ]);
});
