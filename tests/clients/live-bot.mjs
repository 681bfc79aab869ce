// A bot of the public SDK for chat.mjs and webchat.mjs: says every message back, with its metadata; what begins with
// "quiet" gets no answer; events are answered with events. Environment: PORT, and what the SDK's own client reads
// (BP_API_URL, BP_TOKEN).
import { Bot } from "@botpress/sdk";

const bot = new Bot({ actions: {}, plugins: {} });

bot.on.message("*", async ({ message, client, ctx }) => {
  const { conversationId } = message;
  const say = (type, payload) =>
    client.createMessage({ conversationId, userId: ctx.botId, type, payload, tags: {} });
  if (message.payload.text?.startsWith("quiet")) return;
  await say(message.type, message.payload);
  if (message.payload.text === "odd") {
    // A type that the chat client does not know, and a carousel as bots write it.
    await say("custom", { url: "https://odd.example/widget.js", name: "chart" });
    await say("carousel", { items: [{ title: "bare", subtitle: null }] });
  }
});

bot.on.event("*", async ({ event, client }) => {
  const { conversationId, payload } = event;
  if (event.type.endsWith(":custom") && event.type !== "webchat:custom") {
    const type = event.type.replace(":custom", ":sendEvent");
    await client.callAction({ type, input: { conversationId, payload: payload.payload } });
  }
  if (event.type === "webchat:custom") {
    const input = { conversationId, name: "seen", data: payload.data };
    await client.callAction({ type: "webchat:customEvent", input });
    await client.callAction({ type: "webchat:showWebchat", input: { conversationId } });
  }
});

await bot.start(Number(process.env.PORT));
