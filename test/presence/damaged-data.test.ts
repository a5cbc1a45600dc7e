import { expect, test, vi } from "vitest";
import { keyOf } from "../../src/presence/presence.ts";
import { leasesFrom } from "../../src/presence/redis-reading.ts";
import { hashOf } from "../../src/presence/redis-scripts.ts";
import { entryOf, keepAlive, redis, someone, startProcess, sweep, withRedis } from "./redis-processes.ts";

withRedis();

/** Leases and marks, by their names, in ms from now. */
const leasesAt = (scores: Record<string, number>, graceMs = 1_000) =>
  leasesFrom(["100000", ...Object.entries(scores).flatMap(([name, ms]) => [name, `${100_000 + ms}`])], graceMs);
const on = (process: string) => ({ [`${process}/a`]: 0 });

test.each([
  ["a process is killed", { a: 5_000, dead: -1_100 }, null, false],
  ["a process was killed just now", { a: 5_000, dead: -900 }, null, true],
  ["Redis is just back", { a: 5_000, dead: -90_000, "~emptied": -1_000, "~since": -9_000 }, "emptied", false],
  ["a process isn't back yet", { a: 5_000, dead: -9_000, "~emptied": -6_500, "~since": -15_000 }, "missing", true],
  ["a process doesn't come back", { a: 5_000, dead: -20_000, "~emptied": -7_100, "~since": -22_000 }, null, false],
  [
    "a process died long before the outage",
    { a: 5_000, dead: -90_000, "~emptied": -6_500, "~since": -15_000 },
    null,
    false,
  ],
  ["another process has pending connections", { a: 5_000, dead: -9_000, "~telling/a": 5_000 }, "pending", false],
  ["a process died with pending connections", { a: 5_000, dead: -1_100, "~telling/dead": -1_100 }, null, false],
])("%s", (_case, scores, why, isOnline) => {
  const leases = leasesAt(scores as unknown as Record<string, number>);
  expect([leases.whyHeld(), leases.isOnline(on("dead"))]).toEqual([why, isOnline]);
});

test("unreadable entries delay only their own users, whose connections are sent again", {
  timeout: 40_000,
}, async () => {
  const { presence, faults } = await startProcess();
  const { presence: other } = await startProcess();
  for (const one of [presence, other]) keepAlive(one);
  const [poisoned, ...texts] = ["no JSON", "[1]", '{"a":"b"}', "null", '"text"'];
  const users = [someone("shop"), ...texts.map(() => someone("shop"))];
  const fine = someone("shop");
  for (const [n, user] of users.entries()) await presence.join(user, `${n}`);
  await presence.join(fine, "fine");
  for (const [n, user] of users.entries())
    await redis.hset(hashOf("shop"), keyOf(user), texts[n - 1] ?? poisoned ?? "");
  await redis.hset(hashOf("shop"), "what:ever", "is no user");
  // A user with an unreadable entry counts as online.
  expect((await other.online("shop")).users).toHaveLength(users.length + 1);
  await presence.leave(fine, "fine", 0);
  const evicted: string[] = [];
  await vi.waitFor(
    async () => {
      for (const one of [presence, other]) evicted.push(...(await sweep(one)));
      expect(evicted).toEqual([keyOf(fine)]);
      for (const user of users) expect(await entryOf(user)).toMatch(/^\{"[^"]+\/\d":0\}$/);
    },
    { timeout: 30_000, interval: 300 },
  );
  expect(faults.length + evicted.length).toBeGreaterThan(1);
  // A user with such an entry connects as usual.
  await redis.hset(hashOf("shop"), keyOf(fine), "no JSON");
  expect(await other.join(fine, "again")).toBe(true);
  expect((await other.online("shop")).users).toContainEqual(fine);
});

test("an organisation whose key in Redis has another type delays only its own users", async () => {
  const { presence, faults } = await startProcess();
  const { presence: other } = await startProcess();
  await redis.set(hashOf("broken"), "no hash");
  await redis.sadd("presence:organisations", "broken");
  const [inBroken, user] = [someone("broken"), someone("fine")];
  expect(await Promise.all([presence.join(inBroken, "a"), presence.join(user, "b")])).toEqual([false, true]);
  expect(faults).not.toEqual([]);
  await presence.touch();
  await presence.leave(user, "b", 0);
  // It isn't an outage: other users needn't wait.
  expect(await sweep(other, user)).toEqual([keyOf(user)]);
  const evicted: string[] = [];
  const later = someone("fine");
  await presence.join(later, "c");
  await presence.leave(later, "c", 0);
  await vi.waitFor(
    async () => {
      for (const one of [presence, other]) await one.touch();
      for (const one of [presence, other]) evicted.push(...(await sweep(one)));
      expect(evicted).toEqual([keyOf(later)]);
    },
    { timeout: 12_000, interval: 300 },
  );
  // After the key is deleted, the users of the organisation are sent.
  await redis.del(hashOf("broken"));
  await presence.touch();
  expect((await other.online("broken")).users).toEqual([inBroken]);
});
