import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { UserRef } from "../../src/identity/user-ref.ts";
import { createHeartbeat, NO_HEARTBEATS } from "../../src/presence/heartbeats.ts";
import { IGNORE, LEASE_MS, TOUCH_INTERVAL_MS } from "../../src/presence/presence.ts";
import { createRedisPresence } from "../../src/presence/redis.ts";
import type { RedisServer } from "../support/servers.ts";
import { startRedis } from "../support/services.ts";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const someone = (id: string): UserRef => ({ kind: "visitor", id, organisationId: "shop" });

test("while the database is away, users with lost connections stay, and users who leave by choice are evicted", {
  timeout: 30_000,
}, async () => {
  const [faults, held, evicted]: [unknown[], unknown[], string[]] = [[], [], []];
  let isAway = true;
  const presence = createRedisPresence(redis, {
    graceMs: 300,
    onFault: (error) => void faults.push(error),
    observer: { ...IGNORE, held: (wait) => void held.push(wait) },
    heartbeats: {
      ...NO_HEARTBEATS,
      async isAnyCutOff() {
        if (isAway) throw new Error("no database");
        return false;
      },
    },
  });
  const sweep = (only?: UserRef) =>
    presence.sweep(
      async ({ id }) =>
        async () =>
          void evicted.push(id),
      only,
    );
  await presence.touch();
  const renewing = setInterval(presence.renew, 1_000);
  try {
    for (const id of ["lost", "leaving"]) await presence.join(someone(id), id);
    await presence.leave(someone("lost"), "lost", 300);
    await delay(LEASE_MS);
    await vi.waitFor(
      async () => {
        await sweep();
        expect(held).toContainEqual({ why: "database", users: 1 });
      },
      { timeout: 5_000, interval: 300 },
    );
    await presence.leave(someone("leaving"), "leaving", 0);
    await sweep(someone("leaving"));
    expect(evicted).toEqual(["leaving"]);
    // A user is online until the offline event.
    expect(await presence.online("shop")).toEqual({ users: [someone("lost")], isSure: true });
    expect(faults).toContainEqual(new Error("no database"));
    isAway = false;
    await vi.waitFor(
      async () => {
        await sweep();
        expect(evicted).toEqual(["leaving", "lost"]);
      },
      { timeout: 5_000, interval: 300 },
    );
    expect(held.at(-1)).toBe(null);
  } finally {
    clearInterval(renewing);
  }
});

test("a heartbeat doesn't wait for earlier ones, takes at most two connections, and stops when the process ends", async () => {
  const recorded: boolean[] = [];
  const faults: unknown[] = [];
  const answers: (() => void)[] = [];
  let isComplete = true;
  const heartbeat = createHeartbeat(
    {
      ...NO_HEARTBEATS,
      record(isComplete) {
        recorded.push(isComplete);
        return new Promise((resolve) => answers.push(resolve));
      },
    },
    { isComplete: () => isComplete, onFault: (error) => void faults.push(error) },
  );
  const startedAt = performance.now();
  await heartbeat.beat();
  expect(performance.now() - startedAt).toBeLessThan(2 * TOUCH_INTERVAL_MS);
  isComplete = false;
  for (let n = 0; n < 3; n++) heartbeat.onTrouble();
  expect(recorded).toEqual([true, false]);
  await heartbeat.beat();
  expect([recorded.length, faults.length]).toEqual([2, 1]);
  const ended = heartbeat.end();
  for (const answer of answers) answer();
  await ended;
  await heartbeat.beat();
  expect(recorded).toEqual([true, false]);
});

test("a heartbeat that fails is reported as a fault only", async () => {
  const faults: unknown[] = [];
  const fails = async () => {
    throw new Error("no database");
  };
  const heartbeat = createHeartbeat(
    { ...NO_HEARTBEATS, record: fails, end: fails },
    { isComplete: () => true, onFault: (error) => void faults.push(error) },
  );
  await heartbeat.beat();
  await heartbeat.end();
  expect(faults).toHaveLength(2);
});
