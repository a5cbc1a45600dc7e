// Subscriptions that Redis refuses, or that are lost in the middle of being made: a process must never stay deaf.
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { readRedisUrl } from "../../src/bus/address.ts";
import { connectBus } from "../../src/bus/redis.ts";
import { startRedis } from "../support/services.ts";

const quietly = { onFault() {}, onLost() {}, onLag() {} };

test("a subscription that was refused is asked for again", async () => {
  const server = await startRedis();
  const bus = await connectBus(readRedisUrl(server.url), quietly);
  const heard = new Set<string>();
  bus.onMessage((channel) => channel.startsWith("chat:") && heard.add(channel));
  const admin = new Redis(server.url);
  try {
    bus.subscribe("chat:a");
    await bus.subscribed();
    // Its connection breaks, and until there is room again nobody may connect.
    await admin.config("SET", "maxclients", "1");
    await admin.call("CLIENT", "KILL", "TYPE", "pubsub");
    bus.subscribe("chat:b");
    await delay(1_500);
    await admin.config("SET", "maxclients", "1000");
    const both = async () => {
      for (const channel of ["chat:a", "chat:b"]) bus.publish(channel, "x");
      return [...heard].sort();
    };
    await expect.poll(both, { timeout: 15_000, interval: 200 }).toEqual(["chat:a", "chat:b"]);
  } finally {
    admin.disconnect();
    await bus.close();
    await server.stop();
  }
});
