import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { UserRef } from "../../src/identity/user-ref.ts";
import { IGNORE, LEASE_MS, TOUCH_INTERVAL_MS } from "../../src/presence/presence.ts";
import { createRedisPresence } from "../../src/presence/redis.ts";
import { createHeartbeat, NO_WITNESS } from "../../src/presence/witness.ts";
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

test("while the witness can't be asked nobody is evicted who was lost, and who leaves by choice leaves", {
  timeout: 30_000,
}, async () => {
  const [faults, held, gone]: [unknown[], unknown[], string[]] = [[], [], []];
  let isAway = true;
  const presence = createRedisPresence(redis, {
    graceMs: 300,
    onFault: (error) => void faults.push(error),
    observer: { ...IGNORE, held: (wait) => void held.push(wait) },
    witness: {
      ...NO_WITNESS,
      async isAnybodyUnheard() {
        if (isAway) throw new Error("no database");
        return false;
      },
    },
  });
  const sweep = (only?: UserRef) =>
    presence.sweep(
      async ({ id }) =>
        async () =>
          void gone.push(id),
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
    expect(gone).toEqual(["leaving"]);
    // Who hasn't been told offline is online.
    expect(await presence.online("shop")).toEqual({ users: [someone("lost")], isSure: true });
    expect(faults).toContainEqual(new Error("no database"));
    isAway = false;
    await vi.waitFor(
      async () => {
        await sweep();
        expect(gone).toEqual(["leaving", "lost"]);
      },
      { timeout: 5_000, interval: 300 },
    );
    expect(held.at(-1)).toBe(null);
  } finally {
    clearInterval(renewing);
  }
});

test("a heartbeat waits for none before it, takes two connections at most, and is the last one when the process ends", async () => {
  const said: boolean[] = [];
  const faults: unknown[] = [];
  const answers: (() => void)[] = [];
  let isHeard = true;
  const heartbeat = createHeartbeat(
    {
      ...NO_WITNESS,
      say(heard) {
        said.push(heard);
        return new Promise((resolve) => answers.push(resolve));
      },
    },
    { isHeard: () => isHeard, onFault: (error) => void faults.push(error) },
  );
  const startedAt = performance.now();
  await heartbeat.beat();
  expect(performance.now() - startedAt).toBeLessThan(2 * TOUCH_INTERVAL_MS);
  isHeard = false;
  for (let n = 0; n < 3; n++) heartbeat.onTrouble();
  expect(said).toEqual([true, false]);
  await heartbeat.beat();
  expect([said.length, faults.length]).toEqual([2, 1]);
  const ended = heartbeat.end();
  for (const answer of answers) answer();
  await ended;
  await heartbeat.beat();
  expect(said).toEqual([true, false]);
});

test("a heartbeat that fails is a fault, and no more", async () => {
  const faults: unknown[] = [];
  const fails = async () => {
    throw new Error("no database");
  };
  const heartbeat = createHeartbeat(
    { ...NO_WITNESS, say: fails, end: fails },
    { isHeard: () => true, onFault: (error) => void faults.push(error) },
  );
  await heartbeat.beat();
  await heartbeat.end();
  expect(faults).toHaveLength(2);
});
