/** The mock gateway behind real sockets, so that the chaos runner can be tried without a gateway. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import type { ClientFrame, ServerFrame } from "../src/index.ts";
import { MockGateway, type MockOptions } from "./mock-gateway.ts";

export async function serveMock(options: MockOptions): Promise<{ url: string; gateway: MockGateway; close(): void }> {
  const gateway = new MockGateway(options);
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const { method = "GET", headers, url = "/" } = request;
      const init: RequestInit = {
        method,
        headers: Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]),
        signal: gone.signal,
        ...(pieces.length ? { body: Buffer.concat(pieces).toString() } : {}),
      };
      gateway.surroundings
        .fetch(`http://mock${url}`, init)
        .then(async (answer) => {
          response.writeHead(answer.status, { "Content-Type": answer.headers.get("Content-Type") ?? "text/plain" });
          response.flushHeaders();
          const reader = answer.body?.getReader();
          for (let part = await reader?.read(); part && !part.done; part = await reader?.read())
            response.write(part.value);
          response.end();
        })
        .catch(() => response.destroy());
    });
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => {
    let user = "";
    const push = (frame: ServerFrame): void => socket.send(JSON.stringify(frame));
    socket.on("error", () => undefined);
    socket.on("close", () => gateway.streams.delete(push));
    socket.on("message", (data) => {
      const frame = JSON.parse(String(data)) as ClientFrame;
      if (frame.t === "hello") {
        const greeting = gateway.greet(frame);
        user = greeting.user;
        greeting.frames.forEach(push);
        gateway.streams.add(push);
      } else for (const answer of gateway.handle(user, frame) ?? []) push(answer);
    });
  });
  await new Promise<void>((go) => server.listen(0, "127.0.0.1", go));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    gateway,
    close() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}
