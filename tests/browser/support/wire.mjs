// @ts-check
// The network between browser and gateway: a TCP proxy that can be cut, mended, and made unreliable.
import { connect, createServer } from "node:net";

/** @param {number} port the gateway's */
export async function startWire(port) {
  /** @type {Set<import("node:net").Socket>} */
  const open = new Set();
  let isCut = false;
  let chance = 0;
  let kills = 0;
  let seed = 7;
  // The same on every run: a linear congruential generator.
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const server = createServer((near) => {
    if (isCut) return near.destroy();
    const far = connect(port, "127.0.0.1");
    const end = () => {
      near.destroy();
      far.destroy();
      open.delete(near);
    };
    open.add(near);
    for (const [from, to] of /** @type {const} */ ([[near, far], [far, near]])) {
      from.on("data", (piece) => {
        if (isCut || random() < chance) {
          if (!isCut) kills++;
          return end();
        }
        to.write(piece);
      });
      from.on("close", end);
      from.on("error", end);
    }
  });
  await new Promise((go) => server.listen(0, "127.0.0.1", () => go(undefined)));
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  const drop = () => {
    for (const near of open) near.destroy();
  };
  return {
    url: `http://127.0.0.1:${address.port}`,
    cut() {
      isCut = true;
      drop();
    },
    mend() {
      isCut = false;
    },
    /** Kills a connection with this probability for each piece of data that passes. @param {number} p */
    worsen(p) {
      chance = p;
    },
    kills: () => kills,
    /** @returns {Promise<void>} */
    stop() {
      drop();
      return new Promise((go) => server.close(() => go()));
    },
  };
}
