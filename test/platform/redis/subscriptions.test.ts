// Subscriptions that Redis refuses, or that break while they are made: a process must always get them in the end.
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { readRedisUrl } from "../../../src/platform/redis/address.ts";
import { connectBus } from "../../../src/platform/redis/bus.ts";
import { startRedis } from "../../support/services.ts";

const quietly = { onFault() {}, onLost() {}, onLag() {} };

test("a refused subscription is tried again", async () => {
  const server = await startRedis();
  const bus = await connectBus(readRedisUrl(server.url), quietly);
  const received = new Set<string>();
  bus.onMessage((channel) => channel.startsWith("chat:") && received.add(channel));
  const admin = new Redis(server.url);
  try {
    bus.subscribe("chat:a");
    await bus.subscribed();
    // Its connection breaks, and the limit refuses new connections.
    await admin.config("SET", "maxclients", "1");
    await admin.call("CLIENT", "KILL", "TYPE", "pubsub");
    bus.subscribe("chat:b");
    await delay(1_500);
    await admin.config("SET", "maxclients", "1000");
    const both = async () => {
      for (const channel of ["chat:a", "chat:b"]) bus.publish(channel, "x");
      return [...received].sort();
    };
    await expect.poll(both, { timeout: 15_000, interval: 200 }).toEqual(["chat:a", "chat:b"]);
  } finally {
    admin.disconnect();
    await bus.close();
    await server.stop();
  }
});

test("a refused subscription restores nothing, and once it succeeds the bus counts as restored", async () => {
  const server = await startRedis();
  const bus = await connectBus(readRedisUrl(server.url), quietly);
  let restored = 0;
  bus.onRestored(() => void restored++);
  const admin = new Redis(server.url);
  try {
    await expect.poll(bus.isUp, { timeout: 5_000 }).toBe(true);
    await admin.acl("SETUSER", "default", "-ssubscribe");
    const before = restored;
    bus.subscribe("chat:a");
    // Long enough for some attempts.
    await delay(3_500);
    expect(restored).toBe(before);
    await admin.acl("SETUSER", "default", "+ssubscribe");
    await expect.poll(() => restored, { timeout: 8_000 }).toBe(before + 1);
  } finally {
    admin.disconnect();
    await bus.close();
    await server.stop();
  }
});
