// A bot as its developer would write it, with the public SDK and nothing of Portico: says every message back.
// Environment: PORT, and what the SDK's own client reads (BP_API_URL, BP_TOKEN).
import { Bot } from "@botpress/sdk";

const bot = new Bot({ actions: {}, plugins: {} });

bot.on.message("*", async ({ message, client, ctx }) => {
  await client.createMessage({
    conversationId: message.conversationId,
    userId: ctx.botId,
    type: message.type,
    payload: message.payload,
    tags: {},
  });
});

await bot.start(Number(process.env.PORT));
