// Vercel's Chat SDK with one of its adapters, named by the argument, and state in memory.
import { createSlackAdapter } from "@chat-adapter/slack";
import { createMemoryState } from "@chat-adapter/state-memory";
import { createTelegramAdapter } from "@chat-adapter/telegram";
import { createWhatsAppAdapter } from "@chat-adapter/whatsapp";
import { Chat, ConsoleLogger } from "chat";
import { bodyOf, gotMessage, provider, secrets, serve } from "./serve.mjs";

const name = process.argv[2] ?? "slack";
const logger = new ConsoleLogger("silent");
const make = {
  slack: () => createSlackAdapter({
    botToken: "xoxb-bench", botUserId: "U0BOT", signingSecret: secrets.slack, apiUrl: `${provider}/api/`, logger,
  }),
  telegram: () => createTelegramAdapter({
    botToken: "4242:bench", secretToken: secrets.telegram, mode: "webhook", userName: "bench_bot", apiUrl: provider, logger,
  }),
  whatsapp: () => createWhatsAppAdapter({
    accessToken: "bench-access", appSecret: secrets.whatsapp, phoneNumberId: "700100200300400",
    verifyToken: "bench-verify", apiUrl: provider, logger,
  }),
};
const bot = new Chat({
  userName: "bench_bot", adapters: { [name]: make[name]() }, state: createMemoryState(), logger,
  concurrency: { strategy: "concurrent" },
});
// Direct messages are mentions; a pattern takes whatever else there is.
bot.onDirectMessage?.(async () => gotMessage());
bot.onNewMention(async () => gotMessage());
await bot.initialize();
const webhook = bot.webhooks[name];

// As in a server that runs on: work after the answer is not awaited, and its faults are counted as lost messages.
const options = { waitUntil: (work) => { work.catch(() => {}); } };
serve(async (request, response) => {
  const body = await bodyOf(request);
  const answer = await webhook(
    new Request(`http://127.0.0.1${request.url}`, { method: request.method, headers: request.headers, body }),
    options,
  );
  const text = Buffer.from(await answer.arrayBuffer());
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(text);
});
