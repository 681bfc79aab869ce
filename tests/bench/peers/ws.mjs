// The ws package: says pong to a message, and hands on to all others what begins with an exclamation mark.
import { WebSocketServer } from "ws";
import { serve } from "./serve.mjs";

const server = serve((_request, response) => response.end());
const sockets = new WebSocketServer({ server, perMessageDeflate: false, maxPayload: 65536 });
sockets.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (data) => {
    const text = data.toString();
    if (!text.startsWith("!")) {
      socket.send('{"t":"pong"}');
      return;
    }
    const said = text.slice(1);
    for (const other of sockets.clients) {
      if (other !== socket) other.send(said);
    }
  });
});
