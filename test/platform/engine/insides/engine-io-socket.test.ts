import { once } from "node:events";
import { expect, test } from "vitest";
import { type CasesOf, eventually, sendTo, serve, testEach } from "./support.ts";

const { engine, openPolling, openWebsocket, enter } = serve();

const cases: CasesOf<"engine.io Socket" | "engine.io Socket event"> = {
  "engine.io Socket: id": [
    "is the session's id",
    async () => {
      const { connection, sid } = await openPolling();
      expect(connection.id).toBe(sid);
    },
  ],
  "engine.io Socket: readyState": [
    'lets packets in and out only while it is "open"',
    async () => {
      const { connection, send, received } = await openWebsocket();
      const packets: unknown[] = [];
      connection.on("packet", ({ data }) => void packets.push(data));
      expect(connection.readyState).toBe("open");
      send("3in");
      sendTo(connection, "out");
      await eventually(() => [packets, received().endsWith("4out")]).toEqual([["in"], true]);
      connection.readyState = "closing";
      let late = 0;
      connection.transport.on("packet", () => late++);
      send("3late");
      sendTo(connection, "later");
      await eventually(() => late).toBe(1);
      expect([packets, connection.writeBuffer]).toEqual([["in"], []]);
      expect(received()).not.toContain("later");
    },
  ],
  "engine.io Socket: transport": [
    "is the one that the client has now",
    async () => {
      const { connection, probe } = await openPolling();
      expect(connection.transport.name).toBe("polling");
      const { send } = await probe();
      expect(connection.transport.name).toBe("polling");
      send("5");
      await eventually(() => connection.transport.name).toBe("websocket");
    },
  ],
  "engine.io Socket: upgrading": [
    "is true from the probe until the client has moved",
    async () => {
      const { connection, probe } = await openPolling();
      expect(connection.upgrading).toBe(false);
      const { send } = await probe();
      expect(connection.upgrading).toBe(true);
      send("5");
      await eventually(() => connection.transport.name).toBe("websocket");
      expect(connection.upgrading).toBe(false);
    },
  ],
  "engine.io Socket: writeBuffer": [
    "has the packets that wait for the transport",
    async () => {
      const { connection, poll } = await openPolling();
      expect(connection.writeBuffer).toEqual([]);
      sendTo(connection, "one");
      sendTo(connection, "two");
      expect(connection.writeBuffer).toMatchObject([{ data: "one" }, { data: "two" }]);
      expect((await poll()).body).toBe("4one\x1e4two");
      expect(connection.writeBuffer).toEqual([]);
    },
  ],
  "engine.io Socket: request": [
    "is the handshake, which nothing needs after the first CONNECT",
    async () => {
      const client = await openWebsocket();
      const socket = await enter(client);
      expect(client.connection.request).toBe(socket.request);
      client.connection.request = null;
      Object.assign(socket, { handshake: { headers: {}, query: {}, auth: {} } });
      client.send('42["a"]', "41");
      await eventually(() => socket.connected).toBe(false);
      const again = await enter(client);
      expect([again.connected, again === socket]).toEqual([true, false]);
    },
  ],
  "engine.io Socket: onClose": [
    "ends the connection, and sends its client nothing when the transport is closed",
    async () => {
      const { connection, received, tcp } = await openWebsocket();
      const reasons: string[] = [];
      connection.on("close", (reason) => void reasons.push(reason));
      const before = received();
      connection.transport.readyState = "closed";
      connection.onClose("forced close");
      connection.onClose("again");
      expect([reasons, connection.readyState, engine.clients[connection.id]]).toEqual([
        ["forced close"],
        "closed",
        undefined,
      ]);
      const ended = new Promise((resolve) => tcp.once("end", resolve));
      connection.transport.socket?._socket?.end();
      await ended;
      expect(received()).toBe(before);
    },
  ],
  "engine.io Socket event: packet": [
    "comes before Socket.IO gets a packet, which gets the data that a listener has made of it",
    async () => {
      const client = await openWebsocket();
      const socket = await enter(client);
      client.connection.on("packet", (packet) => {
        if (packet.type === "message") packet.data = String(packet.data).replace("sent", "changed");
      });
      const events: unknown[] = [];
      socket.onAny((...given) => void events.push(given));
      client.send('42["a","sent"]');
      await eventually(() => events).toEqual([["a", "changed"]]);
    },
  ],
  "engine.io Socket event: packetCreate": [
    "comes with each packet before it is in the buffer",
    async () => {
      const { connection } = await openPolling();
      const packets: unknown[] = [];
      connection.on("packetCreate", (packet) => void packets.push(packet, connection.writeBuffer.length));
      const options = { wsPreEncodedFrame: [Buffer.from("x")] };
      sendTo(connection, "one", options);
      expect(packets).toMatchObject([{ type: "message", data: "one", options }, 0]);
    },
  ],
  "engine.io Socket event: flush": [
    "comes when the buffer goes to the transport, and not before",
    async () => {
      const { connection, poll } = await openPolling();
      const lengths: number[] = [];
      connection.on("flush", () => void lengths.push(connection.writeBuffer.length));
      sendTo(connection, "one");
      sendTo(connection, "two");
      expect(lengths).toEqual([]);
      await poll();
      expect(lengths).toEqual([2]);
    },
  ],
  "engine.io Socket event: drain": [
    "comes when the transport has the whole buffer",
    async () => {
      const { connection, poll } = await openPolling();
      const lengths: number[] = [];
      connection.on("drain", () => void lengths.push(connection.writeBuffer.length));
      sendTo(connection, "one");
      expect(lengths).toEqual([]);
      await poll();
      expect(lengths).toEqual([0]);
    },
  ],
  "engine.io Socket event: upgrading": [
    "comes with the websocket that the client has probed",
    async () => {
      const { connection, probe } = await openPolling();
      const names: string[] = [];
      connection.on("upgrading", (to) => void names.push(to.name));
      await probe();
      expect([names, connection.transport.name]).toEqual([["websocket"], "polling"]);
    },
  ],
  "engine.io Socket event: upgrade": [
    "comes when the client has moved, with the same websocket",
    async () => {
      const { connection, probe } = await openPolling();
      const transports: unknown[] = [];
      connection.on("upgrading", (to) => void transports.push(to));
      connection.on("upgrade", (to) => void transports.push(to));
      const { send } = await probe();
      send("5");
      await eventually(() => transports.length).toBe(2);
      expect(transports).toEqual([connection.transport, connection.transport]);
    },
  ],
  "engine.io Socket event: data": [
    'has a packet\'s data, behind "packet" and as its listener has left it; undefined when the packet is empty',
    async () => {
      const empty = await openWebsocket();
      const came = once(empty.connection as never, "data");
      empty.send("4");
      expect(await came).toEqual([undefined]);
      const { connection, send } = await openWebsocket();
      const data: unknown[] = [];
      connection.on("data", (given) => void data.push(given));
      connection.on("packet", (packet) => {
        packet.data = `${packet.data}!`;
      });
      send("4said");
      await eventually(() => data).toEqual(["said!"]);
    },
  ],
  "engine.io Socket event: close": [
    "comes once, with the reason, when the client is lost",
    async () => {
      const { connection, tcp } = await openWebsocket();
      const reasons: string[] = [];
      connection.on("close", (reason) => void reasons.push(reason));
      tcp.destroy();
      await eventually(() => reasons).toEqual(["transport close"]);
      expect(connection.readyState).toBe("closed");
    },
  ],
};
testEach(cases);

test("engine.io sends a pre-encoded frame as it is on a websocket, in one buffer or two", async () => {
  const { connection, received } = await openWebsocket();
  sendTo(connection, "", { wsPreEncodedFrame: [Buffer.from("\x81\x044one", "latin1")] });
  sendTo(connection, "", { wsPreEncodedFrame: [Buffer.from("\x81\x05", "latin1"), Buffer.from("4four")] });
  await eventually(received).toContain("\x81\x044one\x81\x054four");
});

test("engine.io makes the text of a packet only when the poll comes", async () => {
  const { connection, poll } = await openPolling();
  let calls = 0;
  const text = { toString: () => `made ${++calls}` };
  sendTo(connection, text as string, { wsPreEncodedFrame: [Buffer.from("x")] });
  expect(calls).toBe(0);
  expect((await poll()).body).toBe("4made 1");
});
