import { once } from "node:events";
import { expect, test } from "vitest";
import {
  type CasesOf,
  eventually,
  frame,
  PING,
  type RawWebsocket,
  sendTo,
  serve,
  testEach,
  UNFINISHED_TEXT,
} from "./support.ts";

const { openWebsocket } = serve({ maxHttpBufferSize: 1_000_000 });
const websocketOf = ({ connection }: RawWebsocket) => {
  const { socket } = connection.transport;
  if (!socket) throw new Error("The transport has no websocket.");
  return socket;
};

const cases: CasesOf<"ws WebSocket" | "ws Receiver"> = {
  "ws WebSocket: _socket": [
    "is the TCP connection to the client",
    async () => {
      const client = await openWebsocket();
      const { _socket: tcp } = websocketOf(client);
      expect(tcp?.remotePort).toBe(client.tcp.localPort);
      tcp?.end();
      await once(client.tcp, "end");
    },
  ],
  "ws WebSocket: _receiver": [
    "reads what comes in on it",
    async () => {
      const client = await openWebsocket();
      const came = once(client.connection as never, "packet");
      // Called as ws calls it.
      (websocketOf(client)._receiver as unknown as { write(chunk: Buffer): void }).write(frame("40"));
      expect(await came).toEqual([{ type: "message", data: "0" }]);
    },
  ],
  "ws Receiver: _bufferedBytes": [
    "counts the bytes of a frame that isn't whole",
    async () => {
      const client = await openWebsocket();
      expect(websocketOf(client)._receiver?._bufferedBytes).toBe(0);
      client.tcp.write(frame("4".repeat(300_000), { length: 500_000 }));
      await eventually(() => websocketOf(client)._receiver?._bufferedBytes).toBe(300_000);
      client.tcp.write("4".repeat(200_000));
      await eventually(() => websocketOf(client)._receiver?._bufferedBytes).toBe(0);
    },
  ],
  "ws Receiver: _messageLength": [
    "counts the bytes in the whole frames of a message that isn't",
    async () => {
      const client = await openWebsocket();
      expect(websocketOf(client)._receiver?._messageLength).toBe(0);
      client.tcp.write(frame("4".repeat(10_000), { first: UNFINISHED_TEXT }));
      client.tcp.write(frame("4".repeat(20_000), { first: 0 }));
      await eventually(() => websocketOf(client)._receiver?._messageLength).toBe(30_000);
    },
  ],
  "ws Receiver: _loop": [
    "false leaves the frames unread that came with the present one",
    async () => {
      const client = await openWebsocket();
      const packets: unknown[] = [];
      client.connection.on("packet", ({ data }) => {
        packets.push(data);
        const receiver = websocketOf(client)._receiver;
        if (receiver) receiver._loop = false;
      });
      client.send("3a", "3b", "3c");
      await eventually(() => packets).toEqual(["a"]);
      // It reads on with the next piece.
      client.send("3d");
      await eventually(() => packets).toEqual(["a", "b"]);
    },
  ],
  "ws Receiver: _maxPayload": [
    "is the most bytes of a message, also when it comes in several frames",
    async () => {
      const long = [frame("3".repeat(101))];
      const inFrames = [frame("3".repeat(60), { first: UNFINISHED_TEXT }), frame("3".repeat(60), { first: 0x80 })];
      for (const frames of [long, inFrames]) {
        const client = await openWebsocket();
        const receiver = websocketOf(client)._receiver;
        expect(receiver?._maxPayload).toBe(1_000_000);
        if (receiver) receiver._maxPayload = 100;
        const packets: unknown[] = [];
        client.connection.on("packet", ({ data }) => packets.push(data));
        client.send(`3${"a".repeat(99)}`);
        await eventually(() => packets).toEqual(["a".repeat(99)]);
        const closed = once(client.connection as never, "close");
        for (const one of frames) client.tcp.write(one);
        await closed;
      }
    },
  ],
};
testEach(cases);

test("ws answers pings by itself, and emits them", async () => {
  const client = await openWebsocket();
  let pings = 0;
  websocketOf(client).on("ping", () => pings++);
  client.tcp.write(Buffer.from([PING, 0x80, 0, 0, 0, 0]));
  await eventually(() => pings).toBe(1);
  await eventually(client.received).toContain("\x8a\x00");
});

test("ws counts in bufferedAmount the bytes that the operating system hasn't taken", async () => {
  const client = await openWebsocket();
  client.tcp.pause();
  const text = "x".repeat(1_000_000);
  for (let n = 0; n < 30; n++) sendTo(client.connection, text);
  const websocket = websocketOf(client);
  await eventually(() => websocket.bufferedAmount).toBeGreaterThan(1_000_000);
  client.tcp.resume();
  await eventually(() => websocket.bufferedAmount).toBe(0);
});
