// A process that listens to a Redis Cluster must never stay deaf, whatever its masters go through.
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readRedisUrl } from "../../src/platform/redis/address.ts";
import { connectBus } from "../../src/platform/redis/bus.ts";
import { connect } from "../../src/platform/redis/clients.ts";
import { type RedisSet, startRedisSet } from "../support/redis-sets.ts";

let set: RedisSet;
beforeEach(async () => {
  set = await startRedisSet("cluster", {});
}, 120_000);
afterEach(() => set?.stop());

/** So many that each master has some of them. */
const channels = ["a", "b", "c", "d", "e", "f"].map((name) => `chat:${name}`);

test("a master in whose place something takes connections and says nothing is left for its replica", async () => {
  const bus = await connectBus(readRedisUrl(set.url), { onFault() {}, onLost() {}, onLag() {} });
  const received = new Set<string>();
  bus.onMessage((channel) => channels.includes(channel) && received.add(channel));
  for (const channel of channels) bus.subscribe(channel);
  const all = async () => {
    received.clear();
    for (const channel of channels) bus.publish(channel, "x");
    await delay(300);
    return [...received].sort();
  };
  await expect.poll(all, { timeout: 10_000 }).toEqual(channels);

  const [master] = await set.masters();
  await master?.kill();
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => void sockets.add(socket.on("error", () => {}))).listen(
    master?.port,
    "127.0.0.1",
  );
  await once(silent, "listening");
  try {
    await expect.poll(all, { timeout: 60_000 }).toEqual(channels);
  } finally {
    silent.close();
    for (const socket of sockets) socket.destroy();
    await bus.close();
  }
}, 120_000);

test("after an outage of all masters all channels are received again, however slow the lookups of their names are", async () => {
  const slowly = (_name: string, answer: (error: null, address: string, family: number) => void) =>
    void setTimeout(() => answer(null, "127.0.0.1", 4), 20);
  const address = readRedisUrl(set.url.replaceAll("127.0.0.1", "localhost"));
  const options = { shardedSubscribers: true, slotsRefreshInterval: 2_000, dnsLookup: slowly as never };
  const subscriber = connect(address, { maxRetriesPerRequest: null }, options);
  const received = new Set<string>();
  subscriber.on("error", () => {}).on("smessage", (channel: string) => received.add(channel));
  for (const channel of channels) await subscriber.ssubscribe(channel);
  for (const node of set.nodes) await node.kill();
  await delay(30_000);
  await Promise.all(set.nodes.map((node) => node.start()));
  const commands = connect(readRedisUrl(set.url), {}, {});
  commands.on("error", () => {});
  const all = async () => {
    for (const channel of channels) await commands.spublish(channel, "x").catch(() => {});
    return [...received].sort();
  };
  try {
    await expect.poll(all, { timeout: 60_000, interval: 500 }).toEqual(channels);
  } finally {
    commands.disconnect();
    subscriber.disconnect();
  }
}, 150_000);
