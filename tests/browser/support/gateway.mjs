// @ts-check
// The real gateway: `target/debug/portico` (or PORTICO_BIN) with a configuration, a data folder and ports of its own,
// which survive a kill and a restart.
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
/** What the bot presents to the runtime API. */
export const BOT_TOKEN = "bot-token-of-the-browser-tests-0123456789";

/** Levels of the disk that are switched off: how full the machine is has nothing to do with what is tested. */
const FULL_DISK = Object.fromEntries(
  ["WARN", "REFUSE", "CRITICAL"].map((level) => [`PORTICO_STORE__DISK__${level}_PERCENT`, "100"]),
);

export const sleep = (/** @type {number} */ ms) => new Promise((go) => setTimeout(go, ms));

let lastPort = 20_000 + ((process.pid * 37) % 12_000);

/**
 * A free port with a free one behind it, as the demo wants two. Below those that systems give to outgoing connections,
 * one of which could take it before the gateway does.
 *
 * @returns {Promise<number>} a port of loopback that was free a moment ago
 */
export async function freePort() {
  for (;;) {
    lastPort = lastPort + 2 < 32_000 ? lastPort + 2 : 20_000;
    if ((await isFree(lastPort)) && (await isFree(lastPort + 1))) return lastPort;
  }
}

/** @param {number} port @returns {Promise<boolean>} */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

export function binary() {
  const path = process.env["PORTICO_BIN"] ?? join(ROOT, "target/debug/portico");
  if (!existsSync(path)) throw new Error(`${path} is not there: run \`cargo build -p portico\`, or set PORTICO_BIN`);
  return path;
}

/**
 * Starts a program of the gateway and waits until it is ready.
 * @param {string[]} args @param {string} url public address @param {string} folder
 */
async function launch(args, url, folder) {
  const log = openSync(join(folder, "gateway.log"), "a");
  const child = spawn(binary(), args, { stdio: ["ignore", log, log], env: { PATH: process.env["PATH"] ?? "", ...FULL_DISK } });
  closeSync(log);
  /** @type {Promise<void>} */
  const ended = new Promise((go) => child.once("exit", () => go()));
  let alive = true;
  void ended.then(() => (alive = false));
  const tail = () => readFileSync(join(folder, "gateway.log"), "utf8").slice(-3000);
  for (const end = Date.now() + 60_000; ; ) {
    if (!alive) throw new Error(`the gateway has ended:\n${tail()}`);
    if (Date.now() > end) throw new Error(`the gateway is not ready:\n${tail()}`);
    const answer = await fetch(`${url}/readyz`).catch(() => undefined);
    if (answer?.ok) break;
    await sleep(50);
  }
  return { child, ended };
}

/**
 * A gateway with channels and a core.
 * @param {{ core: string, installations: string }} options address of the core, `[installations…]` as TOML
 */
export async function startGateway({ core, installations }) {
  const folder = mkdtempSync(join(tmpdir(), "portico-browser-"));
  const [port, admin] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const file = join(folder, "portico.toml");
  writeFileSync(
    file,
    `[server]
listen = "127.0.0.1:${port}"
admin_listen = "127.0.0.1:${admin}"
public_url = "${url}"
allow_private_networks = true
[server.drain]
readiness = "50ms"
[store]
kind = "embedded"
path = "${folder}/data"
[log]
filter = "info"
[bots.support]
token = "${BOT_TOKEN}"
[bots.support.core]
kind = "http"
url = "${core}"
secret = "whsec_Y29yZSBzZWNyZXQgb2YgdGhlIGJyb3dzZXIgdGVzdHM="
${installations}`,
  );
  const begin = () => launch(["serve", "--config", file], url, folder);
  let running = await begin();
  return {
    url,
    port,
    folder,
    log: () => readFileSync(join(folder, "gateway.log"), "utf8"),
    /** As a crash: nothing is written, nobody is told. */
    async kill() {
      running.child.kill("SIGKILL");
      await running.ended;
    },
    /** Again, on the same port over the same data. */
    async restart() {
      running = await begin();
    },
    async stop() {
      running.child.kill("SIGKILL");
      await running.ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
/** @typedef {Awaited<ReturnType<typeof startGateway>>} Gateway */

/** `portico demo`, as a visitor of the repository starts it. */
export async function startDemo() {
  const folder = mkdtempSync(join(tmpdir(), "portico-demo-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = await launch(["demo", "--listen", `127.0.0.1:${port}`, "--data", folder], url, folder);
  return {
    url,
    async stop() {
      running.child.kill("SIGKILL");
      await running.ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
