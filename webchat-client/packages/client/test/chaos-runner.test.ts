/** The chaos runner, as the end-to-end tests start it, over real sockets. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveMock } from "./serve-mock.ts";

const folder = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);
let served: Awaited<ReturnType<typeof serveMock>>;

beforeAll(async () => {
  await run(process.execPath, ["build.mjs", "--chaos"], { cwd: folder });
  served = await serveMock({ bot: (text) => [`Echo: ${text}`] });
}, 60_000);
afterAll(() => served.close());

test(
  "kills at 10 %: every message stored once and in order, every answer seen once",
  { timeout: 120_000 },
  async () => {
    const env = { ...process.env, GATEWAY: served.url, CHANNEL: "site", COUNT: "60", P: "0.1", TIMEOUT_S: "90" };
    const { stdout } = await run(process.execPath, ["dist-test/chaos-gateway.mjs"], { cwd: folder, env });
    const verdict = JSON.parse(stdout) as Record<string, unknown>;
    expect(verdict).toMatchObject({
      ok: true,
      stored: 60,
      answersSeen: 60,
      inOrder: true,
      storedOnce: true,
      answersOnce: true,
      pending: 0,
    });
    expect(verdict.kills).toBeGreaterThan(3);
  },
);

test("a bot that answers twice is found out", { timeout: 120_000 }, async () => {
  const twice = await serveMock({ bot: (text) => [`Echo: ${text}`, `Again: ${text}`] });
  const env = { ...process.env, GATEWAY: twice.url, CHANNEL: "site", COUNT: "10", P: "0.02", TIMEOUT_S: "30" };
  const failed = await run(process.execPath, ["dist-test/chaos-gateway.mjs"], { cwd: folder, env }).catch(
    (error: { code: number; stdout: string }) => error,
  );
  twice.close();
  expect(failed).toMatchObject({ code: 1 });
  expect(JSON.parse(failed.stdout)).toMatchObject({ ok: false, answersOnce: false });
});
