import { Redis } from "ioredis";
import { expect, test, vi } from "vitest";
import type { UserRef } from "../../src/identity/user-ref.ts";
import { keyOf, type Presence } from "../../src/presence/presence.ts";
import { createRedisPresence } from "../../src/presence/redis.ts";
import { hashOf } from "../../src/presence/redis-scripts.ts";
import { wayTo } from "../support/way.ts";
import {
  evicting,
  fail,
  GRACE_MS,
  redis,
  redisServer,
  someone,
  sweep,
  WAIT,
  withoutWork,
  withRedis,
} from "./evictions.ts";

withRedis();

test("when Redis has lost its data, a process sends all its connections again, and nobody comes online", async () => {
  const user = someone();
  const presence = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  await presence.touch();
  await presence.join(user, "a");
  expect(await presence.touch()).toEqual([]);
  await redis.flushall();
  expect(await presence.online(user.organisationId)).toEqual({ users: [user], isSure: false });
  expect(await presence.touch()).toEqual([]);
  const other = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  expect((await other.online(user.organisationId)).users).toEqual([user]);
});

test("when Redis has lost its data, nobody is evicted before every process had time to send its connections", async () => {
  const user = someone();
  const [here, there] = [0, 1].map(() => createRedisPresence(redis, { graceMs: 0, onFault: fail })) as [
    Presence,
    Presence,
  ];
  for (const presence of [here, there]) await presence.touch();
  await here.join(user, "a");
  await there.join(user, "b");
  await redis.flushall();
  const closeHere = async () => {
    await here.leave(user, "a", 0);
    return (await sweep(here, user)).evicted;
  };
  expect(await closeHere()).toEqual([]);
  await here.touch();
  await here.join(user, "a");
  expect(await closeHere()).toEqual([]);
  await there.touch();
  await vi.waitFor(
    async () => {
      await Promise.all([here.touch(), there.touch()]);
      expect(await here.online(user.organisationId)).toEqual({ users: [user], isSure: true });
    },
    { timeout: 10_000, interval: 200 },
  );
  expect((await sweep(here, user)).evicted).toEqual([]);
  await there.leave(user, "b", 0);
  expect((await sweep(here, user)).evicted).toEqual([user]);
});

test("a process that counted as dead sends its connections again, and their users come online", async () => {
  const user = someone();
  await redis.flushall();
  const frozen = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  await frozen.touch();
  await frozen.join(user, "a");
  const [processId = ""] = await redis.zrange("presence:processes", "0", "-1");
  await redis.zadd("presence:processes", Date.now() - 1_000, processId);
  const other = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  await other.touch();
  expect((await sweep(other, user)).evicted).toEqual([user]);
  // The next connection is the first to notice.
  vi.spyOn(performance, "now").mockReturnValue(performance.now() + 60_000);
  const late = someone();
  expect(await frozen.join(late, "b")).toBe(true);
  vi.restoreAllMocks();
  expect(await frozen.touch()).toEqual([user]);
  expect((await other.online(user.organisationId)).users).toEqual([user]);
  // It goes on under another name, so that nothing of its old lease counts.
  expect(await redis.zrange("presence:processes", "0", "-1")).not.toEqual([processId]);
  expect(await redis.hkeys(`presence:{${user.organisationId}}`)).toEqual([keyOf(user)]);
  expect(Object.keys(JSON.parse((await redis.hvals(`presence:{${user.organisationId}}`))[0] ?? ""))).not.toContain(
    `${processId}/a`,
  );
  await frozen.leave(user, "a", 0);
  expect((await sweep(other, user)).evicted).toEqual([user]);
});

/** A process with one connection, of `user`. Redis also has a connection of `ghost` on that process. */
async function startWithGhost() {
  await redis.flushall();
  const presence = createRedisPresence(redis, { graceMs: 0, onFault: fail });
  const [user, ghost] = [someone(), someone()];
  await presence.touch();
  await presence.join(user, "a");
  const [processId = ""] = await redis.zrange("presence:processes", "0", "-1");
  const hash = `presence:{${user.organisationId}}`;
  await redis.hset(hash, keyOf(ghost), JSON.stringify({ [`${processId}/b`]: 0 }));
  const endsOf = async (one: UserRef) => Object.values(JSON.parse((await redis.hget(hash, keyOf(one))) ?? "{}"));
  return { presence, user, ghost, endsOf };
}

test("a process sends a connection again that Redis has lost", async () => {
  const user = someone();
  const presence = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  await presence.touch();
  await presence.join(user, "a");
  await redis.del(hashOf(user.organisationId));
  const isBack = async () => {
    await presence.sweep(withoutWork);
    await presence.touch();
    expect((await presence.online(user.organisationId)).users).toEqual([user]);
  };
  await vi.waitFor(isBack, WAIT);
});

test("a process finds a connection that it doesn't have, and its user is evicted", async () => {
  const { presence, ghost } = await startWithGhost();
  const evicted: string[] = [];
  const sweepAll = async () => {
    await presence.touch();
    await presence.sweep(evicting(async ({ id }) => void evicted.push(id)));
    expect(evicted).toEqual([ghost.id]);
  };
  // A new process starts to sweep after 6 s.
  await vi.waitFor(sweepAll, { timeout: 15_000, interval: 300 });
});

test("a user who leaves by choice while Redis is away gets no grace period afterwards", async () => {
  await redis.flushall();
  const way = await wayTo(redisServer.url);
  const client = new Redis(way.url, { enableOfflineQueue: false });
  client.on("error", () => {});
  await vi.waitFor(() => expect(client.status).toBe("ready"));
  const presence = createRedisPresence(client, { graceMs: 60_000, onFault: () => {} });
  const user = someone();
  await presence.touch();
  await presence.join(user, "a");
  await way.close();
  await vi.waitFor(() => expect(client.status).not.toBe("ready"));
  await presence.leave(user, "a", 0);
  await way.open();
  await vi.waitFor(() => expect(client.status).toBe("ready"), { timeout: 10_000 });
  for (const _ of [1, 2, 3]) await presence.sweep(withoutWork);
  await presence.touch();
  const [ends] = Object.values(
    JSON.parse((await redis.hget(`presence:{${user.organisationId}}`, keyOf(user))) ?? "{}") as Record<string, number>,
  );
  expect(ends).toBeGreaterThan(0);
  expect(ends).toBeLessThan(Date.now() + 30_000);
  client.disconnect();
  await way.close();
});

test("a process finds such a connection even when it is another process's turn to sweep", async () => {
  const { presence, user, ghost, endsOf } = await startWithGhost();
  await redis.set("presence:sweeper", "another process", "PX", 60_000);
  for (const _ of [1, 2]) await presence.sweep(fail);
  expect(await endsOf(user)).toEqual([0]);
  const [ends] = await endsOf(ghost);
  expect(ends).toBeGreaterThan(0);
});
