import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket } from "socket.io";
import { io as connect } from "socket.io-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packetOf, packetWith, send, sharedFields } from "../../../src/platform/engine/packet.ts";
import { watchReading, watchReadingOf } from "../../../src/platform/engine/reading.ts";

let server: Server;
let url: string;
beforeAll(async () => {
  const http = createServer().listen(0, "127.0.0.1");
  await once(http, "listening");
  server = new Server(http);
  watchReading(server, () => {});
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

async function pair(transport: string) {
  const connected = once(server, "connection");
  const client = connect(url, { transports: [transport], forceNew: true });
  const [socket] = (await connected) as [Socket];
  return { client, socket };
}

test.each(["websocket", "polling"])("a packet of any length arrives as it is, by %s", async (transport) => {
  const { client, socket } = await pair(transport);
  const received: unknown[] = [];
  client.on("text", (text) => received.push(text));
  // Their frames give the length in one, three and nine bytes.
  const texts = ["ü", "ü".repeat(100), "ü".repeat(40_000), ""];
  for (const text of texts) send(socket, packetOf("text", JSON.stringify(text)));
  await expect.poll(() => received).toEqual(texts);
  client.disconnect();
});

test.each(["websocket", "polling"])("a packet with shared fields arrives as one object, by %s", async (transport) => {
  const { client, socket } = await pair(transport);
  const received: unknown[] = [];
  client.on("two parts", (payload) => received.push(payload));
  const sent = ["", "ü", "ü".repeat(100), "ü".repeat(40_000)].map((text) => ({ own: text, shared: [text], also: "ü" }));
  for (const { own, shared, also } of sent) {
    send(socket, packetWith("two parts", JSON.stringify({ own }), sharedFields({ shared, also })));
  }
  await expect.poll(() => received).toEqual(sent);
  client.disconnect();
});

test("a client isn't cut off for the packets of one turn, but for packets on top of them", async () => {
  const { client, socket } = await pair("websocket");
  let isFull = false;
  watchReadingOf(socket, () => {
    isFull = true;
  });
  const { ws } = client.io.engine.transport as unknown as { ws: { pause(): void; terminate(): void } };
  ws.pause();
  const megabyte = packetOf("text", JSON.stringify("x".repeat(1_000_000)));
  for (let n = 0; n < 30; n++) send(socket, megabyte);
  expect(isFull).toBe(false);
  // The system takes some of it.
  for (let n = 0; n < 20 && !isFull; n++) {
    await new Promise(setImmediate);
    send(socket, megabyte);
  }
  expect(isFull).toBe(true);
  ws.terminate();
});
