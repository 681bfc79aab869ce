// grammY with its adapter for Node's http.
import { Bot, webhookCallback } from "grammy";
import { gotMessage, provider, secrets, serve } from "./serve.mjs";

const bot = new Bot("4242:bench", {
  client: { apiRoot: provider },
  botInfo: {
    id: 4242, is_bot: true, first_name: "Bench", username: "bench_bot", can_join_groups: true,
    can_read_all_group_messages: false, supports_inline_queries: false, can_connect_to_business: false,
    has_main_web_app: false,
  },
});
bot.on("message:text", () => gotMessage());
serve(webhookCallback(bot, "http", { secretToken: secrets.telegram }));
