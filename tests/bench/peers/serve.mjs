// What all peers share: a port that is told to the bench, and a count of messages that reached the bot's handler.
import http from "node:http";

/** Where the provider stub is. */
export const provider = process.env.PROVIDER ?? "http://127.0.0.1:9";
/** The bench's made-up secrets. */
export const secrets = {
  slack: process.env.SLACK_SECRET ?? "",
  telegram: process.env.TELEGRAM_SECRET ?? "",
  whatsapp: process.env.WHATSAPP_SECRET ?? "",
};

let messages = 0;

/** The bot's handler: it got a message, and says nothing. */
export function gotMessage() {
  messages += 1;
}

/** Serves `handler(request, response)` on a free port; `GET /messages` tells the count. Gives the server. */
export function serve(handler) {
  const server = http.createServer((request, response) => {
    if (request.method === "GET" && request.url === "/messages") {
      response.end(String(messages));
      return;
    }
    handler(request, response);
  });
  server.keepAliveTimeout = 600_000;
  server.listen(0, "127.0.0.1", () => console.log(`listening ${server.address().port}`));
  return server;
}

/** The whole body of a Node request. */
export function bodyOf(request) {
  return new Promise((resolve, reject) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => resolve(Buffer.concat(pieces)));
    request.on("error", reject);
  });
}
