import { once } from "node:events";
import { expect, test } from "vitest";
import { createRedisAdapter } from "../../../../src/platform/engine/redis-adapter.ts";
import { eventually, serve } from "./support.ts";

type Listener = (channel: Buffer, message: Buffer) => void;
/** All of Redis that the adapter uses. */
const processes: { channels: Set<string>; listeners: Listener[] }[] = [];
function joinRedis() {
  const own = { channels: new Set<string>(), listeners: [] as Listener[] };
  processes.push(own);
  return createRedisAdapter({
    publish(channel, message) {
      for (const { listeners } of processes.filter((one) => one.channels.has(channel)))
        for (const listener of listeners) listener(Buffer.from(channel), Buffer.from(message));
    },
    subscribe: (channel) => void own.channels.add(channel),
    unsubscribe: (channel) => void own.channels.delete(channel),
    onMessage: (listener) => void own.listeners.push(listener),
  });
}
const [one, two] = [serve({ adapter: joinRedis() }), serve({ adapter: joinRedis() })];

test("@socket.io/redis-adapter subscribes to two channels of its own at once, and to none for a room", async () => {
  expect(processes.map(({ channels }) => channels.size)).toEqual([2, 2]);
  const client = await one.openWebsocket();
  await (await one.enter(client)).join("room");
  expect(processes.map(({ channels }) => channels.size)).toEqual([2, 2]);
});

test("@socket.io/redis-adapter passes server-side events to other processes", async () => {
  const received = once(two.io as never, "hello");
  one.io.serverSideEmit("hello", "world");
  expect(await received).toEqual(["world"]);
});

test("@socket.io/redis-adapter disconnects the sockets in a room on other processes", async () => {
  const socket = await two.enter(await two.openWebsocket());
  await socket.join("room");
  one.io.in("room").disconnectSockets(true);
  await eventually(() => socket.connected).toBe(false);
});

test("@socket.io/redis-adapter gives up its channels when it is closed", async () => {
  await two.io.sockets.adapter.close();
  expect(processes.map(({ channels }) => channels.size)).toEqual([2, 0]);
});
