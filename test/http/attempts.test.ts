import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Attempts, createMemoryAttempts, createRedisAttempts, type Limit } from "../../src/http/attempts.ts";
import type { RedisServer } from "../support/servers.ts";
import { startRedis } from "../support/services.ts";

const limit: Limit = { maxFailed: 3, maxAtOnce: 2, windowMs: 60_000 };

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis?.disconnect();
  await server?.stop();
});

describe.each<[string, () => Attempts]>([
  ["one process", () => createMemoryAttempts()],
  ["Redis", () => createRedisAttempts(redis, "failed-login:")],
])("%s", (_, create) => {
  test("at most the allowed number runs at once, then as many as may still fail; after that many failures nobody enters", async () => {
    const [attempts, key] = [create(), randomUUID()];
    expect(await attempts.enter(key, "1", limit)).toBe("entered");
    expect(await attempts.enter(key, "2", limit)).toBe("entered");
    expect(await attempts.enter(key, "3", limit)).toBe("full");
    await attempts.leave(key, "1", "failed", limit);
    await attempts.leave(key, "2", "failed", limit);
    expect(await attempts.enter(key, "3", limit)).toBe("entered");
    expect(await attempts.enter(key, "4", limit)).toBe("full");
    await attempts.leave(key, "3", "failed", limit);
    const locked = await attempts.enter(key, "4", limit);
    expect(locked).toEqual({ lockedForMs: expect.any(Number) });
    const { lockedForMs } = locked as { lockedForMs: number };
    expect(lockedForMs).toBeGreaterThan(limit.windowMs - 30_000);
    expect(lockedForMs).toBeLessThanOrEqual(limit.windowMs);
    expect(await attempts.enter(randomUUID(), "1", limit)).toBe("entered");
  });

  test("an attempt that succeeds or can't be judged isn't counted, and a success may forgive", async () => {
    const [attempts, key] = [create(), randomUUID()];
    for (let n = 0; n < 10; n++) {
      expect(await attempts.enter(key, `${n}`, limit)).toBe("entered");
      await attempts.leave(key, `${n}`, "uncounted", limit);
    }
    for (const outcome of ["failed", "failed", "forgiven", "failed", "failed"] as const) {
      expect(await attempts.enter(key, "again", limit)).toBe("entered");
      await attempts.leave(key, "again", outcome, limit);
    }
    expect(await attempts.enter(key, "again", limit)).toBe("entered");
  });

  test("a window is counted from the first failure", async () => {
    const [attempts, key, short] = [create(), randomUUID(), { ...limit, maxFailed: 1, windowMs: 100 }];
    await attempts.enter(key, "1", short);
    await attempts.leave(key, "1", "failed", short);
    await expect.poll(() => attempts.enter(key, "2", short)).toBe("entered");
  });
});

test("an attempt of a dead process expires after a minute", async () => {
  let now = 1;
  const attempts = createMemoryAttempts(() => now);
  for (const attempt of ["1", "2"]) await attempts.enter("key", attempt, limit);
  now += 59_000;
  expect(await attempts.enter("key", "3", limit)).toBe("full");
  now += 1_001;
  expect(await attempts.enter("key", "3", limit)).toBe("entered");
});

test("Redis keeps no key longer than it has a meaning", async () => {
  const [attempts, key] = [createRedisAttempts(redis, "failed-login:"), randomUUID()];
  await attempts.enter(key, "1", limit);
  expect(await redis.pttl(`failed-login:${key}`)).toBeGreaterThan(30_000);
  await attempts.leave(key, "1", "uncounted", limit);
  expect(await redis.exists(`failed-login:${key}`)).toBe(0);
});
