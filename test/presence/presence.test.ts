import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { UserRef } from "../../src/identity/user-ref.ts";
import { createMemoryPresence } from "../../src/presence/memory.ts";
import { type Counts, keyOf, type Presence } from "../../src/presence/presence.ts";
import { createRedisPresence } from "../../src/presence/redis.ts";
import { evicting, fail, GRACE_MS, redis, someone, sweep, WAIT, withoutWork, withRedis } from "./evictions.ts";

withRedis();

/** The timers of live processes, which renew the leases. */
const touching: NodeJS.Timeout[] = [];

/** Creates a process of a service. The processes of one service share their state. */
type MakeProcess = () => Promise<Presence>;

const implementations: [string, () => MakeProcess][] = [
  [
    "memory",
    () => {
      const only = createMemoryPresence();
      return async () => only;
    },
  ],
  [
    "Redis",
    () => async () => {
      const presence = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
      await presence.touch();
      touching.push(setInterval(() => void presence.touch(), 1_000));
      return presence;
    },
  ],
];

describe.each(implementations)("presence in %s", (_name, makeService) => {
  let here: Presence;
  let there: Presence;
  beforeAll(async () => {
    const makeProcess = makeService();
    here = await makeProcess();
    there = await makeProcess();
  });
  afterAll(() => {
    for (const timer of touching.splice(0)) clearInterval(timer);
  });

  test("the first connection brings a user online, further ones on any process don't", async () => {
    const user = someone();
    expect(await here.join(user, "a")).toBe(true);
    expect(await here.join(user, "b")).toBe(false);
    expect(await there.join(user, "c")).toBe(false);
    expect((await there.online(user.organisationId)).users).toEqual([user]);
  });

  test("a user is offline when the last connection on any process is closed", async () => {
    const user = someone();
    await here.join(user, "a");
    await there.join(user, "b");
    await here.leave(user, "a", 0);
    expect((await sweep(here, user)).evicted).toEqual([]);
    expect((await here.online(user.organisationId)).users).toEqual([user]);
    await there.leave(user, "b", 0);
    expect((await here.online(user.organisationId)).users).toEqual([]);
    expect((await sweep(here, user)).evicted).toEqual([user]);
    expect((await sweep(there, user)).evicted).toEqual([]);
    expect(await here.join(user, "c")).toBe(true);
  });

  test("after a lost connection its user stays online for the grace period", async () => {
    const user = someone();
    await here.join(user, "a");
    await here.leave(user, "a", GRACE_MS);
    expect((await sweep(there, user)).evicted).toEqual([]);
    expect((await there.online(user.organisationId)).users).toEqual([user]);
    await vi.waitFor(async () => expect((await sweep(there, user)).evicted).toEqual([user]));
    expect((await there.online(user.organisationId)).users).toEqual([]);
  });

  test("a user who is back within the grace period was never offline", async () => {
    const user = someone();
    await here.join(user, "a");
    await here.leave(user, "a", GRACE_MS);
    expect(await there.join(user, "b")).toBe(false);
    const other = someone();
    await here.join(other, "x");
    await here.leave(other, "x", GRACE_MS);
    await vi.waitFor(async () => expect((await sweep(here, other)).evicted).toEqual([other]));
    expect((await sweep(here, user)).evicted).toEqual([]);
  });

  test("closing one connection doesn't end the grace period of another", async () => {
    const user = someone();
    await here.join(user, "a");
    await there.join(user, "b");
    await here.leave(user, "a", GRACE_MS);
    await there.leave(user, "b", 0);
    expect((await sweep(here, user)).evicted).toEqual([]);
    await vi.waitFor(async () => expect((await sweep(here, user)).evicted).toEqual([user]));
  });

  test("a dismissed user is evicted despite open connections", async () => {
    const user = someone();
    await here.join(user, "a");
    await there.join(user, "b");
    await there.leave(user, "b", GRACE_MS);
    await there.leave(user, "all", 0);
    expect((await sweep(there, user)).evicted).toEqual([user]);
    await here.leave(user, "a", GRACE_MS);
    expect((await here.online(user.organisationId)).users).toEqual([]);
  });

  test("only one of many simultaneous sweeps evicts a user", async () => {
    const user = someone();
    await here.join(user, "a");
    await here.leave(user, "a", 0);
    const sweeps = await Promise.all([here, there, here, there].map((presence) => sweep(presence, user)));
    expect(sweeps.flatMap(({ evicted }) => evicted)).toEqual([user]);
  });

  test("a user stays online until the eviction is done", async () => {
    const user = someone();
    await here.join(user, "a");
    await here.leave(user, "a", 0);
    const online: UserRef[][] = [];
    const look = async () => void online.push((await there.online(user.organisationId)).users);
    await sweep(here, user, look);
    await look();
    expect(online).toEqual([[user], []]);
  });

  test("a user who connects during the eviction comes online, and the sweep returns that user", async () => {
    const user = someone();
    await here.join(user, "a");
    await here.leave(user, "a", 0);
    let cameOnline: boolean | undefined;
    const { back } = await sweep(here, user, async () => {
      cameOnline = await there.join(user, "b");
      expect(await there.join(user, "c")).toBe(false);
    });
    expect([cameOnline, back]).toEqual([true, [user]]);
    expect((await here.online(user.organisationId)).users).toEqual([user]);
    expect((await sweep(there, user)).evicted).toEqual([]);
  });

  test("a sweep returns a user who connects during the eviction, even when another eviction fails", async () => {
    const users = [someone(), someone()] as const;
    for (const user of users) {
      await here.join(user, "a");
      await here.leave(user, "a", 0);
    }
    const back: UserRef[] = [];
    const failures: unknown[] = [];
    const served: string[] = [];
    const sweepAll = async () => {
      const swept = await here.sweep(
        evicting(async (user) => {
          served.push(keyOf(user));
          if (keyOf(user) === keyOf(users[0])) throw new Error("this one fails");
          if (keyOf(user) === keyOf(users[1])) await there.join(user, "b");
        }),
      );
      back.push(...swept.back);
      failures.push(...swept.failures);
      expect(served).toEqual(expect.arrayContaining(users.map(keyOf)));
    };
    await vi.waitFor(sweepAll, WAIT);
    expect([back, failures]).toEqual([[users[1]], [new Error("this one fails")]]);
    // A later sweep tries again.
    served.length = 0;
    await vi.waitFor(async () => {
      await here.sweep(evicting(async (user) => void served.push(keyOf(user))));
      expect(served).toContain(keyOf(users[0]));
    }, WAIT);
  });

  test("a user who was back after `prepare` isn't evicted, because the decision comes after it", async () => {
    const user = someone();
    await here.join(user, "a");
    await here.leave(user, "a", 0);
    let left = 0;
    const { back } = await there.sweep(async () => {
      await here.join(user, "b");
      await here.leave(user, "b", 0);
      return async () => void left++;
    }, user);
    expect([left, back]).toEqual([0, []]);
    expect((await sweep(there, user)).evicted).toEqual([user]);
  });

  test("a sweep of all users evicts the offline ones only", async () => {
    const [evicted, present] = [someone(), someone()];
    await here.join(evicted, "a");
    await there.join(present, "b");
    await here.leave(evicted, "a", 0);
    const found: string[] = [];
    await vi.waitFor(async () => {
      await there.sweep(evicting(async (user) => void found.push(keyOf(user))));
      expect(found).toContain(keyOf(evicted));
    }, WAIT);
    expect(found).not.toContain(keyOf(present));
  });

  test("a sweep of all users counts each online user once", async () => {
    const count = async () => {
      await there.sweep(withoutWork);
      return here.count();
    };
    // Users of the tests before may still be online.
    await vi.waitFor(async () => expect(await count()).not.toBe(null), WAIT);
    const before = (await here.count()) as Counts;
    const [staff, visitor] = [someone(), { ...someone(), kind: "visitor" as const }];
    for (const connection of ["a", "b"]) await here.join(staff, connection);
    await there.join(visitor, "c");
    await vi.waitFor(
      async () => expect(await count()).toEqual({ staff: before.staff + 1, visitor: before.visitor + 1 }),
      WAIT,
    );
    await there.leave(visitor, "c", 0);
    await vi.waitFor(
      async () => expect(await count()).toEqual({ staff: before.staff + 1, visitor: before.visitor }),
      WAIT,
    );
  });

  test("a repeated join or leave changes nothing, nor does the leave of an unknown connection", async () => {
    const user = someone();
    await here.leave(user, "never there", 0);
    expect((await sweep(here, user)).evicted).toEqual([]);
    expect(await here.join(user, "a")).toBe(true);
    expect(await here.join(user, "a")).toBe(false);
    await here.leave(user, "never there", 0);
    expect((await sweep(here, user)).evicted).toEqual([]);
    await here.leave(user, "a", 0);
    await here.leave(user, "a", 60_000);
    expect((await sweep(here, user)).evicted).toEqual([user]);
  });
});
