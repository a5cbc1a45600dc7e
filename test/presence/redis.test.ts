import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { keyOf, LEASE_MS, type Presence } from "../../src/presence/presence.ts";
import { createRedisPresence } from "../../src/presence/redis.ts";
import { evicting, fail, GRACE_MS, redis, someone, sweep, WAIT, withRedis } from "./evictions.ts";

withRedis();

describe("a process that dies", () => {
  test("loses its connections when its lease ends", async () => {
    const user = someone();
    const dead = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
    await dead.touch();
    await dead.join(user, "a");
    const alive = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
    await alive.touch();
    expect((await sweep(alive, user)).evicted).toEqual([]);
    const isOffline = async () => {
      await alive.touch();
      expect((await sweep(alive, user)).evicted).toEqual([user]);
    };
    await vi.waitFor(isOffline, { timeout: 10_000, interval: 100 });
    expect((await alive.online(user.organisationId)).users).toEqual([]);
  });

  test("during an eviction leaves that eviction to another process", async () => {
    const user = someone();
    const [dying, other] = [0, 1].map(() => createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail })) as [
      Presence,
      Presence,
    ];
    await dying.touch();
    await dying.join(user, "a");
    await dying.leave(user, "a", 0);
    await other.touch();
    void dying.sweep(
      evicting(() => new Promise(() => {})),
      user,
    );
    const isServed = async () => expect((await sweep(other, user)).evicted).toEqual([user]);
    await vi.waitFor(isServed, { timeout: 10_000, interval: 100 });
  });
});

test("a connection counts even when its process had no lease before", async () => {
  const user = someone();
  const [fresh, other] = [0, 1].map(() => createRedisPresence(redis, { graceMs: 0, onFault: fail })) as [
    Presence,
    Presence,
  ];
  await other.touch();
  await fresh.join(user, "a");
  expect((await sweep(other, user)).evicted).toEqual([]);
  expect((await other.online(user.organisationId)).users).toEqual([user]);
});

test("a connection that closes during a resend under another name leaves no entry behind", async () => {
  await redis.flushall();
  const frozen = createRedisPresence(redis, { graceMs: 0, onFault: fail });
  const other = createRedisPresence(redis, { graceMs: 0, onFault: fail });
  await other.touch();
  for (let ticks = 0; ticks < 30; ticks++) {
    await frozen.touch();
    const user = someone();
    await frozen.join(user, "a");
    for (const processId of await redis.zrange("presence:processes", "0", "-1"))
      await redis.zadd("presence:processes", Date.now() - 1_000, processId);
    const touching = frozen.touch();
    for (let tick = 0; tick < ticks; tick++) await new Promise(setImmediate);
    await frozen.leave(user, "a", 0);
    await touching;
    expect(
      Object.values(JSON.parse((await redis.hget(`presence:{${user.organisationId}}`, keyOf(user))) ?? "{}")),
    ).not.toContain(0);
  }
});

test("a process that has just started evicts nobody because of an ended lease", {
  timeout: 40_000,
}, async () => {
  const user = someone();
  const long = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  await long.touch();
  await long.join(user, "a");
  // As after an outage of Redis that the new process can't know about.
  await delay(LEASE_MS + 2 * GRACE_MS);
  const young = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  await young.touch();
  const evicted: string[] = [];
  for (let second = 0; second < 9; second++) {
    await young.sweep(evicting(async (one) => void evicted.push(keyOf(one))));
    await delay(1_000);
    if (second >= 1) await long.touch();
    await young.touch();
  }
  expect(evicted).not.toContain(keyOf(user));
  expect((await young.online(user.organisationId)).users).toEqual([user]);
  await long.leave(user, "a", 0);
  const isOffline = async () => {
    await young.touch();
    await young.sweep(evicting(async (one) => void evicted.push(keyOf(one))));
    expect(evicted).toContain(keyOf(user));
  };
  await vi.waitFor(isOffline, WAIT);
});
