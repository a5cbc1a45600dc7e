// A process's lease when an answer of Redis is lost while it takes a new one.
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createLease } from "../../src/presence/redis-lease.ts";
import { leasesFrom } from "../../src/presence/redis-reading.ts";
import { PROCESSES, type WithScripts, withScripts } from "../../src/presence/redis-scripts.ts";
import type { RedisServer } from "../support/servers.ts";
import { startRedis } from "../support/services.ts";

let server: RedisServer;
let redis: WithScripts;
beforeAll(async () => {
  server = await startRedis();
  redis = withScripts(new Redis(server.url));
});
beforeEach(() => redis.flushall());
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

/** A lease whose n-th call of Redis is lost: the request or the answer. */
function leaseThatLoses(call: number, lost: "request" | "answer") {
  let calls = 0;
  const presenceTouch: WithScripts["presenceTouch"] = async (...args) => {
    const isLost = ++calls === call;
    if (isLost && lost === "request") throw new Error("Command timed out");
    const answer = await redis.presenceTouch(...args);
    if (isLost) throw new Error("Command timed out");
    return answer;
  };
  const why: string[] = [];
  const lease = createLease({
    redis: { presenceTouch } as WithScripts,
    hasPendingJoins: () => false,
    onLost: (reason) => void why.push(reason),
  });
  return { lease, why };
}

test.each(["request", "answer"] as const)(
  "a process that takes a new lease never counts as missing, even when the %s is lost",
  async (lost) => {
    // The first call takes a lease, the second finds that it has ended, the third takes another one.
    const { lease, why } = leaseThatLoses(3, lost);
    await lease.renew();
    const before = lease.name();
    await redis.zadd(PROCESSES, Date.now() - 10, before);
    await expect(lease.renew()).rejects.toThrow("timed out");
    const emptiedAt = await redis.zscore(PROCESSES, "~emptied");
    await lease.renew();

    expect(lease.name()).not.toBe(before);
    expect(why).toEqual(["ended"]);
    expect(await redis.zscore(PROCESSES, before)).toBe(null);
    // The second attempt to take the lease doesn't count as an outage.
    expect(await redis.zscore(PROCESSES, "~emptied")).toBe(emptiedAt);
    const ended = leasesFrom(await redis.presenceLeases(PROCESSES), 1_000).ended();
    expect(ended).toEqual([]);
  },
);

test("a renewal that reaches Redis after its process took a new lease doesn't bring the old name back", async () => {
  const late = Promise.withResolvers<void>();
  let calls = 0;
  const presenceTouch: WithScripts["presenceTouch"] = async (...args) => {
    if (++calls === 3) await late.promise;
    return redis.presenceTouch(...args);
  };
  const lease = createLease({
    redis: { presenceTouch } as WithScripts,
    hasPendingJoins: () => false,
    onLost: () => {},
  });
  await lease.renew();
  const before = lease.name();
  await redis.zadd(PROCESSES, Date.now() - 10, before);
  // Two timers renew the lease. The request of the second one is on its way for longer.
  const renewals = [lease.renew(), lease.renew()];
  await renewals[0];
  const emptiedAt = await redis.zscore(PROCESSES, "~emptied");
  late.resolve();
  await renewals[1];

  expect(await redis.zscore(PROCESSES, before)).toBe(null);
  expect(await redis.zscore(PROCESSES, `~telling/${before}`)).toBe(null);
  // It marks no second outage either, for which evictions would wait.
  expect(await redis.zscore(PROCESSES, "~emptied")).toBe(emptiedAt);
  expect(leasesFrom(await redis.presenceLeases(PROCESSES), 1_000).isRunning(lease.name())).toBe(true);
});
