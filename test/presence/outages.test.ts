// An outage of Redis must evict no connected user.
import { setTimeout as delay } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { keyOf, LEASE_MS } from "../../src/presence/presence.ts";
import {
  entryOf,
  GRACE_MS,
  keepAlive,
  linkToRedis,
  outage,
  redis,
  someone,
  startProcess,
  sweep,
  withRedis,
} from "./redis-processes.ts";

withRedis();

test("10,000 pending leaves reach Redis over a slow network while the lease lasts, and evict no connected user", {
  timeout: 90_000,
}, async () => {
  const link = await linkToRedis();
  const { presence, clients } = await startProcess({ link });
  const { presence: other } = await startProcess();
  keepAlive(other);
  const staying = someone();
  await presence.join(staying, "staying");
  const organisations = Array.from({ length: 20 }, (_, n) => `crowd${n}`);
  const crowd = Array.from({ length: 10_000 }, (_, n) => someone(organisations[n % 20]));
  await Promise.all(crowd.map((user, n) => presence.join(user, `${n}`)));

  link.cut({ closed: true });
  await vi.waitFor(() => expect(clients[0].status).not.toBe("ready"));
  await Promise.all(crowd.map((user, n) => presence.leave(user, `${n}`, 0)));
  link.delay(25);
  link.open();
  await vi.waitFor(() => expect(clients.map(({ status }) => status)).toEqual(["ready", "ready"]), 5_000);
  keepAlive(presence);
  const startedAt = performance.now();

  const evicted = new Set<string>();
  await vi.waitFor(
    async () => {
      for (const key of await sweep(other)) evicted.add(key);
      expect(evicted.size).toBeGreaterThanOrEqual(crowd.length);
    },
    { timeout: 60_000, interval: 500 },
  );
  // Longer than lease and grace period: a lease without renewal would have ended.
  while (performance.now() - startedAt < LEASE_MS + GRACE_MS + 2_000) {
    for (const key of await sweep(other)) evicted.add(key);
    await delay(500);
  }
  expect(evicted.has(keyOf(staying))).toBe(false);
  expect(evicted.size).toBe(crowd.length);
});

test("the lease is renewed while commands on the other connection have no answer", { timeout: 30_000 }, async () => {
  const link = await linkToRedis();
  const { presence, faults } = await startProcess({ link });
  const { presence: other } = await startProcess();
  const user = someone();
  await presence.join(user, "a");
  keepAlive(presence);
  keepAlive(other);
  // Only the connection that sends joins has sent this.
  link.stall("both", { ifSaid: /local answers = \{\}/ });
  await presence.join(someone(), "b");
  expect(faults).toContainEqual(expect.objectContaining({ message: "Command timed out" }));
  await delay(LEASE_MS + GRACE_MS + 1_000);
  expect(await sweep(other, user)).toEqual([]);
});

test("connections that came and went while Redis was away are never sent", async () => {
  const link = await linkToRedis();
  const { presence, clients } = await startProcess({ link });
  link.cut({ closed: true });
  await vi.waitFor(() => expect(clients[0].status).not.toBe("ready"));
  const crowd = Array.from({ length: 2_000 }, () => someone("crowd"));
  await Promise.all(
    crowd.map(async (user, n) => {
      await presence.join(user, `${n}`);
      await presence.leave(user, `${n}`, 0);
    }),
  );
  link.open();
  await vi.waitFor(() => expect(clients.map(({ status }) => status)).toEqual(["ready", "ready"]), 5_000);
  const scriptsRun = async () =>
    Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info("commandstats"))?.[1] ?? Number.NaN);
  const before = await scriptsRun();
  await presence.touch();
  expect((await scriptsRun()) - before).toBeLessThan(20);
});

test("two simultaneous touches lose no leave, even when Redis goes away meanwhile", async () => {
  const link = await linkToRedis();
  const { presence, clients } = await startProcess({ link, graceMs: 60_000 });
  const users = Array.from({ length: 50 }, () => someone());
  await Promise.all(users.map((user, n) => presence.join(user, `${n}`)));
  link.cut({ closed: true });
  await vi.waitFor(() => expect(clients[0].status).not.toBe("ready"));
  await Promise.all(users.map((user, n) => presence.leave(user, `${n}`, 0)));
  link.open();
  await vi.waitFor(() => expect(clients.map(({ status }) => status)).toEqual(["ready", "ready"]), 5_000);
  await outage();
  link.delay(20);
  const touching = [presence.touch(), presence.touch()];
  await delay(150);
  link.cut();
  await Promise.all(touching);
  await vi.waitFor(() => expect(clients.map(({ status }) => status)).toEqual(["ready", "ready"]), 5_000);
  await presence.touch();
  for (const user of users) expect(await entryOf(user)).not.toMatch(/:0[,}]/);
});

test("after an outage only the users of a dead process are evicted, not users whose process isn't back yet", {
  timeout: 40_000,
}, async () => {
  const held: unknown[] = [];
  const observer = {
    swept() {},
    evicted() {},
    peerLeaseEnded() {},
    ownLeaseEnded() {},
    held: (wait: unknown) => held.push(wait),
  };
  const { presence: first } = await startProcess({ observer });
  const { presence: second } = await startProcess();
  const { presence: dead } = await startProcess();
  const [mine, late, orphan] = [someone(), someone(), someone()];
  await first.join(mine, "a");
  await second.join(late, "b");
  await dead.join(orphan, "c");
  await outage();
  await first.touch();
  const backAt = performance.now();
  keepAlive(first);
  // Both leases ended more than a grace period ago.
  for (const user of [mine, late, orphan]) expect(await sweep(first, user)).toEqual([]);
  await delay(LEASE_MS - 1_500);
  for (const user of [mine, late, orphan]) expect(await sweep(first, user)).toEqual([]);
  await second.touch();
  keepAlive(second);
  const evicted: string[] = [];
  await vi.waitFor(
    async () => {
      evicted.push(...(await sweep(first)));
      expect(evicted).toEqual([keyOf(orphan)]);
    },
    { timeout: 20_000, interval: 200 },
  );
  // The promise for a killed process, counted from the end of the outage. `second` was back meanwhile.
  expect(performance.now() - backAt).toBeLessThan(2 * LEASE_MS + GRACE_MS + 4_000);
  expect(held).toContainEqual({ why: "emptied", users: expect.any(Number) });
});

test("while a process has pending connections, nobody is evicted, not even a user who moved to it", async () => {
  const link = await linkToRedis();
  const { presence: there, clients } = await startProcess({ link });
  const { presence: here } = await startProcess();
  const user = someone();
  await here.join(user, "a");
  link.cut({ closed: true });
  await vi.waitFor(() => expect(clients[0].status).not.toBe("ready"));
  await there.join(user, "b");
  link.open();
  await vi.waitFor(() => expect(clients.map(({ status }) => status)).toEqual(["ready", "ready"]), 5_000);
  await there.renew();
  await here.leave(user, "a", 0);
  expect(await sweep(here, user)).toEqual([]);
  await there.touch();
  expect(await sweep(here, user)).toEqual([]);
  await there.leave(user, "b", 0);
  expect(await sweep(here, user)).toEqual([keyOf(user)]);
});

test("a connection that came and went while Redis was away starts a grace period, although Redis never received it", async () => {
  const link = await linkToRedis();
  const { presence: there, clients } = await startProcess({ link, graceMs: 60_000 });
  const { presence: here } = await startProcess();
  const [user, unknown] = [someone(), someone()];
  await here.join(user, "a");
  link.cut({ closed: true });
  await vi.waitFor(() => expect(clients[0].status).not.toBe("ready"));
  await here.leave(user, "a", 0);
  for (const one of [user, unknown]) {
    await there.join(one, one.id);
    await there.leave(one, one.id, 60_000);
  }
  link.open();
  await vi.waitFor(() => expect(clients.map(({ status }) => status)).toEqual(["ready", "ready"]), 5_000);
  await there.touch();
  expect(await sweep(here, user)).toEqual([]);
  expect((await here.online(user.organisationId)).users).toEqual([user]);
  // This user was never announced as online, so they aren't announced as offline.
  expect(await entryOf(unknown)).toBe(null);
});

test("the other processes report once how many users a dead process has lost", { timeout: 30_000 }, async () => {
  const ended: [string, number][] = [];
  const reasons: string[] = [];
  const observer = {
    ...{ swept() {}, held() {}, ownLeaseEnded() {} },
    evicted: (why: string) => void reasons.push(why),
    peerLeaseEnded: (process: string, users: number) => void ended.push([process, users]),
  };
  const { presence: dead } = await startProcess();
  const [name = ""] = await redis.zrange("presence:processes", "0", "-1");
  const others = [await startProcess({ observer }), await startProcess({ observer })];
  for (const { presence } of others) keepAlive(presence);
  for (let n = 0; n < 3; n++) await dead.join(someone(), `${n}`);
  await vi.waitFor(
    async () => {
      for (const { presence } of others) await sweep(presence);
      expect(ended).toEqual([[name, 3]]);
    },
    { timeout: 20_000, interval: 300 },
  );
  await delay(1_500);
  for (const { presence } of others) await sweep(presence);
  expect(ended).toEqual([[name, 3]]);
  expect(reasons).toEqual(["lease", "lease", "lease"]);
});
