import { Redis } from "ioredis";
import { afterAll, beforeAll, expect } from "vitest";
import type { UserRef } from "../../src/identity/user-ref.ts";
import type { Presence } from "../../src/presence/presence.ts";
import type { RedisServer } from "../support/servers.ts";
import { startRedis } from "../support/services.ts";

export const GRACE_MS = 300;
export const WAIT = { timeout: 10_000, interval: 200 };

export const fail = (error: unknown) => {
  throw error;
};

export let redisServer: RedisServer;
export let redis: Redis;

/** Starts a Redis for the tests of this file. */
export function withRedis(): void {
  beforeAll(async () => {
    redisServer = await startRedis();
    redis = new Redis(redisServer.url).setMaxListeners(100);
  });
  afterAll(async () => {
    redis.disconnect();
    await redisServer.stop();
  });
}

let count = 0;
export const someone = (): UserRef => ({ kind: "staff", id: `user${++count}`, organisationId: `organisation${count}` });

/** For a sweep: the work of each eviction. */
export const evicting = (leave: (user: UserRef) => Promise<void>) => async (user: UserRef) => () => leave(user);
export const withoutWork = evicting(async () => {});

/** Sweeps one user. Answers the evicted users. */
export async function sweep(
  presence: Presence,
  user: UserRef,
  during = async () => {},
): Promise<{ evicted: UserRef[]; back: UserRef[] }> {
  const evicted: UserRef[] = [];
  const { back, failures } = await presence.sweep(
    evicting(async (one) => {
      evicted.push(one);
      await during();
    }),
    user,
  );
  expect(failures).toEqual([]);
  return { evicted, back };
}
