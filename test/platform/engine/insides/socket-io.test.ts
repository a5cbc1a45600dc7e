import { expect, test } from "vitest";
import { adapterOf, clientOf } from "../../../../src/platform/engine/insides.ts";
import { takeOver } from "../../../../src/platform/engine/take-over.ts";
import { type CasesOf, eventually, serve, testEach } from "./support.ts";

const { io, openWebsocket, enter } = serve();
const open = async () => {
  const client = await openWebsocket();
  return { ...client, socket: await enter(client) };
};

const cases: CasesOf<"socket.io Client" | "socket.io Adapter"> = {
  "socket.io Client: writeToEngine": [
    "passes all packets for a connection, and is the class's again when an own one is deleted",
    async () => {
      const { socket, send, received } = await open();
      const client = clientOf(socket);
      const passed: unknown[] = [];
      const write = client.writeToEngine.bind(client);
      client.writeToEngine = (texts, options) => {
        passed.push(...texts, "wsPreEncodedFrame" in options);
        write(texts, options);
      };
      socket.on("asked", (ack) => ack("yes"));
      socket.emit("one");
      io.emit("all");
      send('427["asked"]');
      await eventually(() => passed).toEqual(['2["one"]', false, '2["all"]', true, '37["yes"]', false]);
      delete (client as { writeToEngine?: unknown }).writeToEngine;
      socket.emit("after");
      await eventually(received).toMatch(/42\["one"\].*42\["all"\].*437\["yes"\].*42\["after"\]/s);
    },
  ],
  "socket.io Client: ondata": [
    "is the one listener for a packet's data, and calls the listeners of events",
    async () => {
      const { socket, connection, send } = await open();
      const events: unknown[] = [];
      socket.on("said", (n) => void events.push(n));
      const held: unknown[] = [];
      const pass = takeOver(connection, "data", (data) => void held.push(data));
      send('42["said",1]');
      await eventually(() => held).toEqual(['2["said",1]']);
      expect(events).toEqual([]);
      pass(held[0] as string);
      await eventually(() => events).toEqual([1]);
    },
  ],
  "socket.io Client: onclose": [
    "is the one listener for the end, and disconnects the sockets",
    async () => {
      const { socket, connection, tcp } = await open();
      const held: string[] = [];
      const pass = takeOver(connection, "close", (reason) => void held.push(reason));
      tcp.destroy();
      await eventually(() => held).toEqual(["transport close"]);
      expect(socket.connected).toBe(true);
      pass("transport close");
      expect(socket.connected).toBe(false);
    },
  ],
  "socket.io Adapter: rooms": [
    "has the ids of the sockets in each room, each socket's own among them",
    async () => {
      const { rooms } = adapterOf(io);
      const [one, two] = [(await open()).socket, (await open()).socket];
      await one.join(["a", "b"]);
      await two.join("a");
      expect([rooms.get("a"), rooms.get("b")]).toEqual([new Set([one.id, two.id]), new Set([one.id])]);
      expect(rooms.get(one.id)).toEqual(new Set([one.id]));
      two.disconnect();
      expect([rooms.get("a"), rooms.has(two.id)]).toEqual([new Set([one.id]), false]);
    },
  ],
  "socket.io Adapter: sids": [
    "has the rooms of each socket, its own among them",
    async () => {
      const { sids } = adapterOf(io);
      const { socket } = await open();
      await socket.join(["c", "d"]);
      expect(sids.get(socket.id)).toEqual(new Set([socket.id, "c", "d"]));
      socket.disconnect();
      expect(sids.has(socket.id)).toBe(false);
    },
  ],
};
testEach(cases);

test("socket.io says when the first socket has joined a room, and when the last one has left it", async () => {
  const log: string[] = [];
  const adapter = adapterOf(io);
  for (const event of ["create-room", "delete-room"])
    adapter.on(event, (room: string) => void (room === "watched" && log.push(`${event} ${adapter.rooms.has(room)}`)));
  const [one, two] = [(await open()).socket, (await open()).socket];
  for (const socket of [one, two]) await socket.join("watched");
  one.disconnect();
  expect(log).toEqual(["create-room true"]);
  two.disconnect();
  expect(log).toEqual(["create-room true", "delete-room false"]);
});

test("socket.io passes each event to a packet middleware, and not to listeners while `next` isn't called", async () => {
  const { socket, send, received } = await open();
  const taken: unknown[][] = [];
  const events: unknown[] = [];
  for (const name of ["a", "error"]) socket.on(name, () => void events.push(name));
  socket.use((given) => {
    const ack = given.at(-1);
    taken.push(typeof ack === "function" ? given.slice(0, -1) : given);
    if (typeof ack === "function") ack(false, "why");
  });
  send('427["a",{"n":1},2]', '42["error",3]', "42[1]");
  await eventually(() => taken).toEqual([["a", { n: 1 }, 2], ["error", 3], [1]]);
  await eventually(received).toContain('437[false,"why"]');
  expect(events).toEqual([]);
});
