// @ts-check
// The bot behind the channels: an HTTP core that answers by keyword. `samples.mjs` has what it can say; `tokens N …`
// streams through the runtime API; what begins with "quiet" gets no answer; anything else is said back.
import { createServer } from "node:http";
import { BOT_TOKEN } from "./gateway.mjs";
import { sample } from "./samples.mjs";

/**
 * @typedef {{ type: string, id: string, conversation?: { id: string }, user?: { id: string, name?: string }, message?: { id: string, type: string, payload: any }, payload?: any }} CoreEvent
 */

/** @param {{ media: () => string }} options address of the site's media */
export async function startBot({ media }) {
  /** @type {CoreEvent[]} */
  const events = [];
  let gateway = "";
  /** How often each event came: a repeat after a crash is the gateway's right, and gets the same answer. */
  const times = new Map();

  /** @param {string} method @param {string} path @param {unknown} [body] @returns {Promise<any>} */
  async function api(method, path, body) {
    // A bot that is told to wait waits.
    const answer = await fetch(`${gateway}/v1/chat/${path}`, {
      method,
      headers: { authorization: `Bearer ${BOT_TOKEN}`, "content-type": "application/json", "x-bot-id": "support" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (answer.status === 429) {
      await new Promise((go) => setTimeout(go, 1000 * Number(answer.headers.get("retry-after") ?? 1)));
      return api(method, path, body);
    }
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? {} : JSON.parse(text);
  }

  /** @param {CoreEvent} event @param {string} text */
  async function stream(event, text) {
    const [, count = "60", pause = "10", size = "1"] = text.split(" ");
    const conversationId = event.conversation?.id ?? "";
    const draft = `draft-${event.id}`;
    const words = Array.from({ length: Number(count) }, (_, i) => (i % 40 === 39 ? `**word${i}**\n\n` : `word${i} `));
    for (let i = 0; i < words.length; i += Number(size)) {
      await api("PUT", `drafts/${encodeURIComponent(draft)}`, { conversationId, append: words.slice(i, i + Number(size)).join("") });
      if (Number(pause) > 0) await new Promise((go) => setTimeout(go, Number(pause)));
    }
    await api("POST", "messages", {
      conversationId, userId: "support", type: "text", payload: { text: words.join("") }, tags: {}, draftId: draft,
    });
  }

  const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    /** @type {CoreEvent} */
    const event = JSON.parse(Buffer.concat(pieces).toString());
    events.push(event);
    times.set(event.id, (times.get(event.id) ?? 0) + 1);
    const text = String(event.message?.payload?.text ?? "");
    /** @type {unknown[]} */
    let messages = [];
    if (event.type === "message_created" && event.message) {
      if (text.startsWith("tokens ")) {
        // Said by the runtime API; the event itself is taken at once.
        if (times.get(event.id) === 1) stream(event, text).catch((error) => console.error(`stream: ${error.message}`));
      } else if (text.startsWith("slow ")) {
        await new Promise((go) => setTimeout(go, Number(text.split(" ")[1])));
        messages = [{ type: "text", payload: { text } }];
      } else if (!text.startsWith("quiet")) {
        messages = sample(text, media()) ?? [event.message].map(({ type, payload }) => ({ type, payload: type === "text" ? { text: payload.text } : payload }));
      }
    }
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ messages }));
  });
  await new Promise((go) => server.listen(0, "127.0.0.1", () => go(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}/`,
    events,
    api,
    /** @param {string} url */
    serves(url) {
      gateway = url;
    },
    /** Texts that visitors said, in the order in which the bot got them first. */
    heard() {
      const seen = new Set();
      return events.flatMap(({ type, id, message }) => {
        if (type !== "message_created" || seen.has(id)) return [];
        seen.add(id);
        return [String(message?.payload?.text ?? "")];
      });
    },
    /** @param {string} conversationId @param {string} type @param {object} payload */
    say: (conversationId, type, payload) => api("POST", "messages", { conversationId, userId: "support", type, payload, tags: {} }),
    /** @param {string} type @param {object} input */
    act: (type, input) => api("POST", "actions", { type, input }),
    async stop() {
      server.closeAllConnections();
      await new Promise((go) => server.close(() => go(undefined)));
    },
  };
}
/** @typedef {Awaited<ReturnType<typeof startBot>>} Bot */
