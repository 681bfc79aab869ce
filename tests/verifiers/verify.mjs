// Asks the providers' own SDKs whether they would take requests. Standard input: a JSON list of
// { by, secret, headers, body (base64), now? (ms) }; standard output: the list of their verdicts.
import { verifySlackRequest } from "@slack/bolt/dist/receivers/verify-request.js";
import { verifyRequestSignature } from "@slack/events-api";
import { Bot, webhookCallback } from "grammy";
import { Webhook } from "standardwebhooks";
import { WhatsAppAPI } from "whatsapp-api-js";

const verifiers = {
  "@slack/bolt"({ secret, headers, body, now }) {
    verifySlackRequest({
      signingSecret: secret,
      body,
      headers: {
        "x-slack-signature": headers["x-slack-signature"],
        "x-slack-request-timestamp": Number(headers["x-slack-request-timestamp"]),
      },
      nowMilliseconds: now,
    });
    return true;
  },
  "@slack/events-api"({ secret, headers, body }) {
    return verifyRequestSignature({
      signingSecret: secret,
      requestSignature: headers["x-slack-signature"],
      requestTimestamp: Number(headers["x-slack-request-timestamp"]),
      body,
    });
  },
  async "whatsapp-api-js"({ secret, headers, body }) {
    const api = new WhatsAppAPI({ token: "t", appSecret: secret, webhookVerifyToken: "v", v: "v22.0" });
    return api.verifyRequestSignature(body, headers["x-hub-signature-256"] ?? "");
  },
  async grammy({ secret, headers, body }) {
    const botInfo = { id: 1, is_bot: true, first_name: "Bot", username: "bot" };
    const bot = new Bot("1:token", { botInfo });
    let taken = false;
    bot.use(() => { taken = true; });
    await new Promise((done, failed) => {
      const header = headers["x-telegram-bot-api-secret-token"];
      webhookCallback(bot, "callback", { secretToken: secret })(JSON.parse(body), done, header).then(done, failed);
    });
    return taken;
  },
  standardwebhooks({ secret, headers, body }) {
    new Webhook(secret).verify(body, headers);
    return true;
  },
};

let input = "";
for await (const piece of process.stdin) input += piece;
const verdicts = [];
for (const one of JSON.parse(input)) {
  const body = Buffer.from(one.body, "base64").toString("utf8");
  try {
    verdicts.push(Boolean(await verifiers[one.by]({ ...one, body })));
  } catch {
    verdicts.push(false);
  }
}
console.log(JSON.stringify(verdicts));
