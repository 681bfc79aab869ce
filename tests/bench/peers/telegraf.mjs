// Telegraf with its own webhook callback.
import { Telegraf } from "telegraf";
import { gotMessage, provider, secrets, serve } from "./serve.mjs";

const bot = new Telegraf("4242:bench", { telegram: { apiRoot: provider, webhookReply: false } });
bot.botInfo = { id: 4242, is_bot: true, first_name: "Bench", username: "bench_bot" };
bot.on("text", () => gotMessage());
serve(bot.webhookCallback("/telegram", { secretToken: secrets.telegram }));
