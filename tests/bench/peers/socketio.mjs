// Socket.IO over WebSocket only: answers `hear`, and hands `say` on to all others.
import { Server } from "socket.io";
import { serve } from "./serve.mjs";

const server = serve((_request, response) => response.end());
const sockets = new Server(server, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });
sockets.on("connection", (socket) => {
  socket.on("hear", () => socket.emit("heard"));
  socket.on("say", (text) => socket.broadcast.emit("said", text));
});
