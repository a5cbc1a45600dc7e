import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket } from "socket.io";
import { io as connect } from "socket.io-client";
import { expect, test } from "vitest";
import { createGate } from "../../../src/platform/engine/gate.ts";
import { clientOf } from "../../../src/platform/engine/insides.ts";

test("a socket that goes leaves nothing of its gate on the connection, which may get thousands more", async () => {
  const http = createServer().listen(0, "127.0.0.1");
  await once(http, "listening");
  const server = new Server(http);
  const client = connect(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, { transports: ["websocket"] });
  const [socket] = (await once(server, "connection")) as [Socket];
  const untouched = clientOf(socket).writeToEngine;
  createGate(socket, () => {}).shut();
  client.disconnect();
  await once(socket, "disconnect");
  expect(clientOf(socket).writeToEngine).toBe(untouched);
  await server.close();
});
