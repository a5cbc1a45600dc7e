// An outage of Redis must evict no connected user.

import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import type { UserRef } from "../../src/identity/user-ref.ts";
import { keyOf, LEASE_MS, type Presence, type PresenceObserver } from "../../src/presence/presence.ts";
import { createRedisPresence } from "../../src/presence/redis.ts";
import { leasesFrom } from "../../src/presence/redis-reading.ts";
import { hashOf } from "../../src/presence/redis-scripts.ts";
import { createLink, type Link } from "../chaos/link.ts";
import type { RedisServer } from "../support/servers.ts";
import { startRedis } from "../support/services.ts";

const GRACE_MS = 300;

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url).setMaxListeners(100);
});
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
  await redis.flushall();
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

let count = 0;
const someone = (organisationId = `organisation${++count}`): UserRef => ({
  ...{ kind: "visitor", id: `user${++count}`, organisationId },
});

/** A process. With `link` it reaches Redis through that link only. */
async function startProcess(options: { link?: Link; graceMs?: number; observer?: PresenceObserver } = {}) {
  const { link, graceMs = GRACE_MS, observer } = options;
  const clients = [0, 1].map(() => {
    if (!link) return redis;
    const own = { enableOfflineQueue: false, commandTimeout: 1_000, retryStrategy: () => 100 };
    const client = new Redis({ host: "127.0.0.1", port: link.port, ...own });
    client.on("error", () => {});
    endings.push(() => client.disconnect());
    return client;
  }) as [Redis, Redis];
  await vi.waitFor(() => expect(clients.map(({ status }) => status)).toEqual(["ready", "ready"]));
  const faults: unknown[] = [];
  const presence = createRedisPresence(clients[0], {
    ...{ graceMs, leaseClient: clients[1], onFault: (error) => void faults.push(error) },
    ...(observer && { observer }),
  });
  await presence.touch();
  return { presence, clients, faults };
}

/** Runs the timers of a process. */
function keepAlive(presence: Presence): () => void {
  const timers = [
    setInterval(() => void presence.renew(), 1_000),
    // Like `every`: never twice at once.
    startTouching(presence),
  ];
  const stop = () => {
    for (const timer of timers) clearInterval(timer);
  };
  endings.push(stop);
  return stop;
}

function startTouching(presence: Presence) {
  let isTouching = false;
  return setInterval(async () => {
    if (isTouching) return;
    isTouching = true;
    await presence.touch();
    isTouching = false;
  }, 1_000);
}

async function sweep(presence: Presence, only?: UserRef): Promise<string[]> {
  const evicted: string[] = [];
  const { failures } = await presence.sweep(async (user) => async () => void evicted.push(keyOf(user)), only);
  expect(failures).toEqual([]);
  return evicted;
}

const entryOf = async (user: UserRef) => await redis.hget(hashOf(user.organisationId), keyOf(user));

async function linkToRedis(): Promise<Link> {
  const link = await createLink(Number(new URL(server.url).port));
  endings.push(() => link.close());
  return link;
}

/** Ends all leases, as a longer outage does. */
async function outage(endedMs = 20_000): Promise<void> {
  const names = await redis.zrange("presence:processes", "0", "-1");
  for (const name of names)
    if (!name.startsWith("~")) await redis.zadd("presence:processes", Date.now() - endedMs, name);
}

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
