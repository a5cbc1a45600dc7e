import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import { expect, test, vi } from "vitest";
import type { UserRef } from "../../src/identity/user-ref.ts";
import { keyOf } from "../../src/presence/presence.ts";
import { hashOf } from "../../src/presence/redis-scripts.ts";
import type { Link } from "../chaos/link.ts";
import { entryOf, linkToRedis, redis, someone, startProcess, sweep, withRedis } from "./redis-processes.ts";

withRedis();

/** Makes Redis a new master that lacks what changed since it had this entry. */
async function failOver(link: Link, clients: Redis[], user: UserRef, entry: string | null): Promise<void> {
  if (entry === null) await redis.hdel(hashOf(user.organisationId), keyOf(user));
  else await redis.hset(hashOf(user.organisationId), keyOf(user), entry);
  link.cut();
  await vi.waitFor(() => expect(clients[0]?.status).not.toBe("ready"));
  await vi.waitFor(() => expect(clients.map(({ status }) => status)).toEqual(["ready", "ready"]), 5_000);
}

test("a process resends a leave that a failover has lost, and its grace ends when it would have", async () => {
  const link = await linkToRedis();
  const { presence: there, clients } = await startProcess({ link, graceMs: 60_000 });
  const { presence: here } = await startProcess();
  const user = someone();
  await there.join(user, "a");
  const before = await entryOf(user);
  await there.leave(user, "a", 60_000);
  const lostAt = Date.now();
  await delay(500);
  // A second failover loses the leave once more.
  for (let n = 0; n < 2; n++) {
    await failOver(link, clients, user, before);
    await there.touch();
    const [ends = 0] = Object.values(JSON.parse((await entryOf(user)) ?? "{}") as Record<string, number>);
    expect(ends).toBeGreaterThan(lostAt + 59_000);
    expect(ends).toBeLessThan(lostAt + 60_200);
  }
  // A resent leave evicts nobody who has come back.
  await here.join(user, "b");
  await failOver(link, clients, user, await entryOf(user));
  await there.touch();
  expect(await sweep(here, user)).toEqual([]);
});

test("a leave by choice that a failover has lost has no grace when its process resends it", async () => {
  const link = await linkToRedis();
  const { presence: there, clients } = await startProcess({ link, graceMs: 60_000 });
  const { presence: here } = await startProcess();
  const user = someone();
  await there.join(user, "a");
  const before = await entryOf(user);
  await there.leave(user, "a", 0);
  await failOver(link, clients, user, before);
  expect(await sweep(here, user)).toEqual([]);
  await there.touch();
  expect(await sweep(here, user)).toEqual([keyOf(user)]);
});

test("a failover that has lost a connection and its leave doesn't end the grace of a user who is known", async () => {
  const link = await linkToRedis();
  const { presence: there, clients } = await startProcess({ link, graceMs: 60_000 });
  const { presence: here } = await startProcess();
  const [user, unknown] = [someone(), someone()];
  await here.join(user, "a");
  const before = await entryOf(user);
  for (const one of [user, unknown]) {
    await there.join(one, one.id);
    await there.leave(one, one.id, 60_000);
  }
  await failOver(link, clients, user, before);
  await redis.del(hashOf(unknown.organisationId));
  await there.touch();
  await here.leave(user, "a", 0);
  expect(await sweep(here, user)).toEqual([]);
  // Another process may have evicted this user before.
  expect(await entryOf(unknown)).toBe(null);
});
