import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { UserRef } from "../../src/identity/user-ref.ts";
import { createMemoryPresence } from "../../src/presence/memory.ts";
import { type Counts, keyOf, LEASE_MS, type Presence } from "../../src/presence/presence.ts";
import { createRedisPresence } from "../../src/presence/redis.ts";
import { hashOf } from "../../src/presence/redis-scripts.ts";
import type { RedisServer } from "../support/servers.ts";
import { startRedis } from "../support/services.ts";
import { wayTo } from "../support/way.ts";

const GRACE_MS = 300;
const WAIT = { timeout: 10_000, interval: 200 };

/** Creates a process of a service. The processes of one service share their state. */
type MakeProcess = () => Promise<Presence>;

const fail = (error: unknown) => {
  throw error;
};

let redisServer: RedisServer;
let redis: Redis;
beforeAll(async () => {
  redisServer = await startRedis();
  redis = new Redis(redisServer.url).setMaxListeners(100);
});
/** The timers of live processes, which renew the leases. */
const touching: NodeJS.Timeout[] = [];
afterAll(async () => {
  redis.disconnect();
  await redisServer.stop();
});

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

let count = 0;
const someone = (): UserRef => ({ kind: "staff", id: `user${++count}`, organisationId: `organisation${count}` });

/** For a sweep: the work of each eviction. */
const evicting = (leave: (user: UserRef) => Promise<void>) => async (user: UserRef) => () => leave(user);
const withoutWork = evicting(async () => {});

/** Sweeps one user. Answers the evicted users. */
async function sweep(
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

test("a user who is back during earlier evictions isn't evicted", async () => {
  const presence = createMemoryPresence();
  const users = Array.from({ length: 25 }, someone);
  for (const user of users) {
    await presence.join(user, "a");
    await presence.leave(user, "a", 0);
  }
  const last = users.at(-1) as UserRef;
  const served: UserRef[] = [];
  const { back } = await presence.sweep(
    evicting(async (user) => {
      if (served.push(user) === 1) await presence.join(last, "b");
    }),
  );
  expect(served).toEqual(users.slice(0, -1));
  expect(back).toEqual([]);
  expect((await presence.online(last.organisationId)).users).toEqual([last]);
});

describe("a process that dies", () => {
  test("loses its connections when its lease ends", async () => {
    const user = someone();
    const dead = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
    await dead.touch();
    await dead.join(user, "a");
    const alive = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
    await alive.touch();
    expect((await sweep(alive, user)).evicted).toEqual([]);
    const isOffline = async () => {
      await alive.touch();
      expect((await sweep(alive, user)).evicted).toEqual([user]);
    };
    await vi.waitFor(isOffline, { timeout: 10_000, interval: 100 });
    expect((await alive.online(user.organisationId)).users).toEqual([]);
  });

  test("during an eviction leaves that eviction to another process", async () => {
    const user = someone();
    const [dying, other] = [0, 1].map(() => createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail })) as [
      Presence,
      Presence,
    ];
    await dying.touch();
    await dying.join(user, "a");
    await dying.leave(user, "a", 0);
    await other.touch();
    void dying.sweep(
      evicting(() => new Promise(() => {})),
      user,
    );
    const isServed = async () => expect((await sweep(other, user)).evicted).toEqual([user]);
    await vi.waitFor(isServed, { timeout: 10_000, interval: 100 });
  });
});

test("a connection counts even when its process had no lease before", async () => {
  const user = someone();
  const [fresh, other] = [0, 1].map(() => createRedisPresence(redis, { graceMs: 0, onFault: fail })) as [
    Presence,
    Presence,
  ];
  await other.touch();
  await fresh.join(user, "a");
  expect((await sweep(other, user)).evicted).toEqual([]);
  expect((await other.online(user.organisationId)).users).toEqual([user]);
});

test("when Redis has lost its data, a process sends all its connections again, and nobody comes online", async () => {
  const user = someone();
  const presence = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  await presence.touch();
  await presence.join(user, "a");
  expect(await presence.touch()).toEqual([]);
  await redis.flushall();
  expect(await presence.online(user.organisationId)).toEqual({ users: [user], isSure: false });
  expect(await presence.touch()).toEqual([]);
  const other = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  expect((await other.online(user.organisationId)).users).toEqual([user]);
});

test("when Redis has lost its data, nobody is evicted before every process had time to send its connections", async () => {
  const user = someone();
  const [here, there] = [0, 1].map(() => createRedisPresence(redis, { graceMs: 0, onFault: fail })) as [
    Presence,
    Presence,
  ];
  for (const presence of [here, there]) await presence.touch();
  await here.join(user, "a");
  await there.join(user, "b");
  await redis.flushall();
  const closeHere = async () => {
    await here.leave(user, "a", 0);
    return (await sweep(here, user)).evicted;
  };
  expect(await closeHere()).toEqual([]);
  await here.touch();
  await here.join(user, "a");
  expect(await closeHere()).toEqual([]);
  await there.touch();
  await vi.waitFor(
    async () => {
      await Promise.all([here.touch(), there.touch()]);
      expect(await here.online(user.organisationId)).toEqual({ users: [user], isSure: true });
    },
    { timeout: 10_000, interval: 200 },
  );
  expect((await sweep(here, user)).evicted).toEqual([]);
  await there.leave(user, "b", 0);
  expect((await sweep(here, user)).evicted).toEqual([user]);
});

test("a process that counted as dead sends its connections again, and their users come online", async () => {
  const user = someone();
  await redis.flushall();
  const frozen = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  await frozen.touch();
  await frozen.join(user, "a");
  const [processId = ""] = await redis.zrange("presence:processes", "0", "-1");
  await redis.zadd("presence:processes", Date.now() - 1_000, processId);
  const other = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  await other.touch();
  expect((await sweep(other, user)).evicted).toEqual([user]);
  // The next connection is the first to notice.
  vi.spyOn(performance, "now").mockReturnValue(performance.now() + 60_000);
  const late = someone();
  expect(await frozen.join(late, "b")).toBe(true);
  vi.restoreAllMocks();
  expect(await frozen.touch()).toEqual([user]);
  expect((await other.online(user.organisationId)).users).toEqual([user]);
  // It goes on under another name, so that nothing of its old lease counts.
  expect(await redis.zrange("presence:processes", "0", "-1")).not.toEqual([processId]);
  expect(await redis.hkeys(`presence:{${user.organisationId}}`)).toEqual([keyOf(user)]);
  expect(Object.keys(JSON.parse((await redis.hvals(`presence:{${user.organisationId}}`))[0] ?? ""))).not.toContain(
    `${processId}/a`,
  );
  await frozen.leave(user, "a", 0);
  expect((await sweep(other, user)).evicted).toEqual([user]);
});

test("a connection that closes during a resend under another name leaves no entry behind", async () => {
  await redis.flushall();
  const frozen = createRedisPresence(redis, { graceMs: 0, onFault: fail });
  const other = createRedisPresence(redis, { graceMs: 0, onFault: fail });
  await other.touch();
  for (let ticks = 0; ticks < 30; ticks++) {
    await frozen.touch();
    const user = someone();
    await frozen.join(user, "a");
    for (const processId of await redis.zrange("presence:processes", "0", "-1"))
      await redis.zadd("presence:processes", Date.now() - 1_000, processId);
    const touching = frozen.touch();
    for (let tick = 0; tick < ticks; tick++) await new Promise(setImmediate);
    await frozen.leave(user, "a", 0);
    await touching;
    expect(
      Object.values(JSON.parse((await redis.hget(`presence:{${user.organisationId}}`, keyOf(user))) ?? "{}")),
    ).not.toContain(0);
  }
});

/** A process with one connection, of `user`. Redis also has a connection of `ghost` on that process. */
async function startWithGhost() {
  await redis.flushall();
  const presence = createRedisPresence(redis, { graceMs: 0, onFault: fail });
  const [user, ghost] = [someone(), someone()];
  await presence.touch();
  await presence.join(user, "a");
  const [processId = ""] = await redis.zrange("presence:processes", "0", "-1");
  const hash = `presence:{${user.organisationId}}`;
  await redis.hset(hash, keyOf(ghost), JSON.stringify({ [`${processId}/b`]: 0 }));
  const endsOf = async (one: UserRef) => Object.values(JSON.parse((await redis.hget(hash, keyOf(one))) ?? "{}"));
  return { presence, user, ghost, endsOf };
}

test("a process that has just started evicts nobody because of an ended lease", {
  timeout: 40_000,
}, async () => {
  const user = someone();
  const long = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  await long.touch();
  await long.join(user, "a");
  // As after an outage of Redis that the new process can't know about.
  await delay(LEASE_MS + 2 * GRACE_MS);
  const young = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  await young.touch();
  const evicted: string[] = [];
  for (let second = 0; second < 9; second++) {
    await young.sweep(evicting(async (one) => void evicted.push(keyOf(one))));
    await delay(1_000);
    if (second >= 1) await long.touch();
    await young.touch();
  }
  expect(evicted).not.toContain(keyOf(user));
  expect((await young.online(user.organisationId)).users).toEqual([user]);
  await long.leave(user, "a", 0);
  const isOffline = async () => {
    await young.touch();
    await young.sweep(evicting(async (one) => void evicted.push(keyOf(one))));
    expect(evicted).toContain(keyOf(user));
  };
  await vi.waitFor(isOffline, WAIT);
});

test("a process sends a connection again that Redis has lost", async () => {
  const user = someone();
  const presence = createRedisPresence(redis, { graceMs: GRACE_MS, onFault: fail });
  await presence.touch();
  await presence.join(user, "a");
  await redis.del(hashOf(user.organisationId));
  const isBack = async () => {
    await presence.sweep(withoutWork);
    await presence.touch();
    expect((await presence.online(user.organisationId)).users).toEqual([user]);
  };
  await vi.waitFor(isBack, WAIT);
});

test("a process finds a connection that it doesn't have, and its user is evicted", async () => {
  const { presence, ghost } = await startWithGhost();
  const evicted: string[] = [];
  const sweepAll = async () => {
    await presence.touch();
    await presence.sweep(evicting(async ({ id }) => void evicted.push(id)));
    expect(evicted).toEqual([ghost.id]);
  };
  // A new process starts to sweep after 6 s.
  await vi.waitFor(sweepAll, { timeout: 15_000, interval: 300 });
});

test("a user who leaves by choice while Redis is away gets no grace period afterwards", async () => {
  await redis.flushall();
  const way = await wayTo(redisServer.url);
  const client = new Redis(way.url, { enableOfflineQueue: false });
  client.on("error", () => {});
  await vi.waitFor(() => expect(client.status).toBe("ready"));
  const presence = createRedisPresence(client, { graceMs: 60_000, onFault: () => {} });
  const user = someone();
  await presence.touch();
  await presence.join(user, "a");
  await way.close();
  await vi.waitFor(() => expect(client.status).not.toBe("ready"));
  await presence.leave(user, "a", 0);
  await way.open();
  await vi.waitFor(() => expect(client.status).toBe("ready"), { timeout: 10_000 });
  for (const _ of [1, 2, 3]) await presence.sweep(withoutWork);
  await presence.touch();
  const [ends] = Object.values(
    JSON.parse((await redis.hget(`presence:{${user.organisationId}}`, keyOf(user))) ?? "{}") as Record<string, number>,
  );
  expect(ends).toBeGreaterThan(0);
  expect(ends).toBeLessThan(Date.now() + 30_000);
  client.disconnect();
  await way.close();
});

test("a process finds such a connection even when it is another process's turn to sweep", async () => {
  const { presence, user, ghost, endsOf } = await startWithGhost();
  await redis.set("presence:sweeper", "another process", "PX", 60_000);
  for (const _ of [1, 2]) await presence.sweep(fail);
  expect(await endsOf(user)).toEqual([0]);
  const [ends] = await endsOf(ghost);
  expect(ends).toBeGreaterThan(0);
});
