// Slack Bolt for JavaScript, with its own HTTP receiver and one workspace's token.
import bolt from "@slack/bolt";
import { gotMessage, provider, secrets, serve } from "./serve.mjs";

const receiver = new bolt.HTTPReceiver({ signingSecret: secrets.slack, endpoints: ["/slack"], logLevel: "error" });
const app = new bolt.App({
  receiver,
  token: "xoxb-bench",
  botId: "B0BENCH",
  botUserId: "U0BOT",
  clientOptions: { slackApiUrl: `${provider}/api/` },
  logLevel: "error",
});
app.message(async () => gotMessage());
serve((request, response) => receiver.requestListener(request, response));
