import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket } from "socket.io";
import { io as connect } from "socket.io-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { corkWebsockets } from "../../../src/platform/engine/cork.ts";
import { connectionOf } from "../../../src/platform/engine/insides.ts";

const http = createServer();
const io = new Server(http);
corkWebsockets(io);
beforeAll(() => once(http.listen(0, "127.0.0.1"), "listening"));
afterAll(() => void io.close());

const NUMBERS = Array.from({ length: 50 }, (_, n) => n);

/** A connection from both of its sides, and the numbers that the client has received. */
async function open(transport: "websocket" | "polling") {
  const connected = once(io, "connection");
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const client = connect(url, { transports: [transport], forceNew: true, reconnection: false });
  const received: number[] = [];
  client.on("n", (n: number) => received.push(n));
  await once(client as never, "connect");
  const [socket] = (await connected) as [Socket];
  return { client, socket, received };
}

test("all packets for a websocket in one turn go to the system with one call, in order", async () => {
  const { client, socket, received } = await open("websocket");
  const tcp = connectionOf(socket).transport.socket?._socket as unknown as Record<string, () => void>;
  let calls = 0;
  for (const name of ["_write", "_writev"]) {
    const write = tcp[name] as (...args: unknown[]) => void;
    tcp[name] = (...args: unknown[]) => {
      calls++;
      write.apply(tcp, args);
    };
  }
  for (const n of NUMBERS) socket.emit("n", n);
  await expect.poll(() => received).toEqual(NUMBERS);
  expect(calls).toBe(1);
  client.close();
});

test.each(["websocket", "polling"] as const)(
  "packets that are sent just before the end arrive by %s",
  async (transport) => {
    const { client, socket, received } = await open(transport);
    for (const n of NUMBERS) socket.emit("n", n);
    socket.disconnect(true);
    await expect.poll(() => client.connected).toBe(false);
    expect(received).toEqual(NUMBERS);
  },
);
