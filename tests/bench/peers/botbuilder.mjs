// Bot Framework SDK with authentication off: no app id, so no token is checked.
import { ActivityHandler, CloudAdapter, ConfigurationBotFrameworkAuthentication } from "botbuilder";
import { bodyOf, gotMessage, serve } from "./serve.mjs";

const adapter = new CloudAdapter(new ConfigurationBotFrameworkAuthentication({}));
class Bot extends ActivityHandler {
  constructor() {
    super();
    this.onMessage(async (_context, next) => {
      gotMessage();
      await next();
    });
  }
}
const bot = new Bot();
serve(async (request, response) => {
  // The adapter expects what restify and express give: a parsed body, and `send`, `status` and `header`.
  request.body = JSON.parse((await bodyOf(request)).toString("utf8"));
  response.status = (code) => {
    response.statusCode = code;
    return response;
  };
  response.header = (name, value) => response.setHeader(name, value);
  response.send = (body) => {
    response.write(typeof body === "string" ? body : JSON.stringify(body ?? ""));
    return response;
  };
  await adapter.process(request, response, (context) => bot.run(context));
});
