// @vitest-environment node
// The guide names what there is, and nothing else; its token is what the gateway takes.
import { createHmac, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { EVENT_NAMES } from "../../embed/src/aliases.ts";
import { METHODS, PROPERTIES } from "../../embed/src/handle.ts";
import { INFO, INVERTED, RENAMED } from "../../view/src/config/aliases.ts";
import { READERS } from "../../view/src/config/read.ts";
import { DEFAULTS } from "../../view/src/config/settings.ts";
import * as ours from "../src/index.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const api = read("guide/javascript-api.md");
const section = (text: string, title: string): string => text.split(`\n## ${title}\n`)[1]?.split("\n## ")[0] ?? "";
/** First column of the tables: the names in backquotes, without arguments. */
const named = (text: string): string[] =>
  text.split("\n").filter((line) => line.startsWith("| `")).flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`(\w[\w.*]*)/g)].map((found) => found[1] ?? ""));

test("every method of window.portico is described, and no other", () => {
  expect(named(section(api, "Methods")).sort()).toEqual([...METHODS, "on", "once", "off", "create"].sort());
});

test("every property is described", () => {
  const text = section(api, "Properties");
  for (const name of [...Object.keys(PROPERTIES), "version", "channelId", "apiUrl"]) expect(text).toContain(`\`${name}\``);
});

test("every setting is described with its default, and every older name", () => {
  const text = section(api, "Configuration");
  expect(named(text).sort()).toEqual(Object.keys(READERS).sort());
  for (const [key, value] of Object.entries(DEFAULTS)) {
    if (["string", "boolean", "number"].includes(typeof value) && !["botName"].includes(key)) {
      const line = text.split("\n").find((one) => one.split("|")[1]?.includes(`\`${key}\``));
      expect(line, key).toContain(`\`${String(value)}\``);
    }
  }
  const gone = ["clientId", "phone", "email", "termsOfService"];
  for (const name of [...Object.keys(RENAMED), ...Object.keys(INVERTED), ...Object.keys(INFO)]) if (!gone.includes(name)) expect(text, name).toContain(`\`${name}\``);
});

test("every event is described, and every older name of one", () => {
  const events = named(section(api, "Events"));
  for (const name of Object.values(EVENT_NAMES)) expect(events).toContain(name);
  const types = read("packages/client/src/types.ts").split("export interface ClientEvents {")[1]?.split("\n}")[0] ?? "";
  const emitted = [...types.matchAll(/^ {2}(\w+):/gm)].map((found) => found[1] ?? "");
  expect(emitted.length).toBeGreaterThan(10);
  // Told to the widget, not to the page.
  for (const name of emitted) if (!["command", "outdated", "logout"].includes(name)) expect(events, name).toContain(name);
  for (const name of Object.keys(EVENT_NAMES)) expect(api).toContain(name);
});

test("every custom property and part of the theme is described", () => {
  const theme = read("guide/theming.md");
  for (const [name] of read("packages/view/src/theme/css/base.css").matchAll(/--portico-[a-z-]+/g)) expect(theme, name).toContain(name);
});

test("every hook and component of the React package is described", () => {
  const text = read("packages/react/README.md");
  const names = Object.keys(ours).filter((name) => /^use|^[A-Z]/.test(name) && name !== "ClientError");
  for (const name of names) expect(text, name).toMatch(new RegExp(`\\b${name}\\b`));
});

describe("links", () => {
  test.each(["README.md", "packages/react/README.md", ...["README", "recipes", "javascript-api", "theming", "csp", "identity", "wire-protocol"].map((name) => `guide/${name}.md`)])("%s leads somewhere", (path) => {
    const text = read(path);
    const slug = (title: string) => title.toLowerCase().replace(/[`<>()…,.:?']/g, "").trim().replace(/ /g, "-");
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const full = file === "" ? join(root, path) : join(root, dirname(path), file);
      expect(existsSync(full), `${path}: ${target}`).toBe(true);
      if (anchor === undefined) continue;
      const titles = [...readFileSync(full, "utf8").matchAll(/^#+ (.+)$/gm)].map((found) => slug(found[1] ?? ""));
      expect(titles, `${path}: ${target}`).toContain(anchor);
    }
  });
});

describe("the tokens of the guide", () => {
  const recipe = async (title: string): Promise<{ webchatToken(person: object): string; keySet?: { keys: Record<string, string>[] } }> => {
    const code = read("guide/identity.md").split(`### ${title}\n\`\`\`js\n`)[1]?.split("\n```")[0] ?? "";
    expect(code).toContain("webchatToken");
    return import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(code)}`) as never;
  };
  const taken = (token: string) => {
    const [head = "", body = "", signature = ""] = token.split(".");
    const json = (part: string): Record<string, any> => JSON.parse(Buffer.from(part, "base64url").toString()) as never;
    return { header: json(head), claims: json(body), signed: `${head}.${body}`, signature: Buffer.from(signature, "base64url") };
  };

  test("by a secret: HS256 over claims that the gateway asks for", async () => {
    process.env["WEBCHAT_IDENTITY"] = "only for this test";
    const { header, claims, signed, signature } = taken((await recipe("Node")).webchatToken({ id: 7, name: "Zoë" }));
    expect(header.alg).toBe("HS256");
    expect(claims).toMatchObject({ sub: "7", aud: "site", name: "Zoë" });
    expect(claims.exp - claims.iat).toBeLessThanOrEqual(3600);
    expect(signature).toEqual(createHmac("sha256", "only for this test").update(signed).digest());
  });

  test("by a key: EdDSA, with the key of its kid in the set", async () => {
    process.env["WEBCHAT_KEY"] = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }) as string;
    const { webchatToken, keySet } = await recipe("Key pairs, in Node");
    const { header, claims, signed, signature } = taken(webchatToken({ id: "a" }));
    const jwk = keySet?.keys.find((key) => key["kid"] === header.kid);
    expect(jwk).toMatchObject({ kty: "OKP", crv: "Ed25519" });
    expect(header.alg).toBe("EdDSA");
    expect(claims.exp - claims.iat).toBeLessThanOrEqual(3600);
    expect(verify(null, Buffer.from(signed), createPublicKey({ key: jwk as never, format: "jwk" }), signature)).toBe(true);
  });
});
