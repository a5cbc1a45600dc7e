import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect, vi } from "vitest";
import type { UserRef } from "../../src/identity/user-ref.ts";
import { keyOf, type Presence, type PresenceObserver } from "../../src/presence/presence.ts";
import { createRedisPresence } from "../../src/presence/redis.ts";
import { hashOf } from "../../src/presence/redis-scripts.ts";
import { createLink, type Link } from "../chaos/link.ts";
import type { RedisServer } from "../support/servers.ts";
import { startRedis } from "../support/services.ts";

export const GRACE_MS = 300;

export let server: RedisServer;
export let redis: Redis;
/** Run after each test, the last one first. */
export const endings: (() => unknown)[] = [];

/** Starts a Redis for the tests of this file, and empties it after each. */
export function withRedis(): void {
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.url).setMaxListeners(100);
  });
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end();
    await redis.flushall();
  });
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });
}

let count = 0;
export const someone = (organisationId = `organisation${++count}`): UserRef => ({
  ...{ kind: "visitor", id: `user${++count}`, organisationId },
});

/** A process. With `link` it reaches Redis through that link only. */
export async function startProcess(options: { link?: Link; graceMs?: number; observer?: PresenceObserver } = {}) {
  const { link, graceMs = GRACE_MS, observer } = options;
  const clients = [0, 1].map(() => {
    if (!link) return redis;
    const own = { enableOfflineQueue: false, commandTimeout: 1_000, retryStrategy: () => 100 };
    const client = new Redis({ host: "127.0.0.1", port: link.port, ...own });
    client.on("error", () => {});
    endings.push(() => client.disconnect());
    return client;
  }) as [Redis, Redis];
  await vi.waitFor(() => expect(clients.map(({ status }) => status)).toEqual(["ready", "ready"]));
  const faults: unknown[] = [];
  const presence = createRedisPresence(clients[0], {
    ...{ graceMs, leaseClient: clients[1], onFault: (error) => void faults.push(error) },
    ...(observer && { observer }),
  });
  await presence.touch();
  return { presence, clients, faults };
}

/** Runs the timers of a process. */
export function keepAlive(presence: Presence): () => void {
  const timers = [
    setInterval(() => void presence.renew(), 1_000),
    // Like `every`: never twice at once.
    startTouching(presence),
  ];
  const stop = () => {
    for (const timer of timers) clearInterval(timer);
  };
  endings.push(stop);
  return stop;
}

export function startTouching(presence: Presence) {
  let isTouching = false;
  return setInterval(async () => {
    if (isTouching) return;
    isTouching = true;
    await presence.touch();
    isTouching = false;
  }, 1_000);
}

export async function sweep(presence: Presence, only?: UserRef): Promise<string[]> {
  const evicted: string[] = [];
  const { failures } = await presence.sweep(async (user) => async () => void evicted.push(keyOf(user)), only);
  expect(failures).toEqual([]);
  return evicted;
}

export const entryOf = async (user: UserRef) => await redis.hget(hashOf(user.organisationId), keyOf(user));

export async function linkToRedis(): Promise<Link> {
  const link = await createLink(Number(new URL(server.url).port));
  endings.push(() => link.close());
  return link;
}

/** Ends all leases, as a longer outage does. */
export async function outage(endedMs = 20_000): Promise<void> {
  const names = await redis.zrange("presence:processes", "0", "-1");
  for (const name of names)
    if (!name.startsWith("~")) await redis.zadd("presence:processes", Date.now() - endedMs, name);
}
