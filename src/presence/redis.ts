import { randomUUID } from "node:crypto";
import type { Cluster, Redis } from "ioredis";
import type { UserRef } from "../chat/ports.ts";
import { gathered } from "../gather.ts";
import {
  type Counts,
  forEachGone,
  keyOf,
  LEASE_MS,
  type Presence,
  SWEEP_INTERVAL_MS,
  type SweepObserver,
  unique,
} from "./presence.ts";
import { createLooks } from "./redis-look.ts";
import { createReading } from "./redis-reading.ts";
import { COUNTS, EMPTIED, hashOf, ORGANISATIONS, PROCESSES, SWEEPER, withScripts } from "./redis-scripts.ts";

/** For how long a process has a user for itself while it lets him leave. */
const CLAIM_MS = 5_000;
/** How many connections are told at once: enough to be quick, few enough for the lease to be renewed in between. */
const CHUNK = 200;
const KEEP_ENDED_LEASES_MS = 24 * 60 * 60 * 1000;
const KEEP_COUNTS_MS = 10_000;

/** What `presenceTouch` answers when the lease is running, and when it has ended. */
const RUNNING = 0;
const ENDED = 1;

type Options = { graceMs: number; onFault: (error: unknown) => void; onSwept?: SweepObserver };
/** `told` is the process's name under which Redis was told of it. */
type Own = { user: UserRef; told: string | null };

/** Presence of many processes. What is kept in Redis, and how it changes, is in ./redis-scripts.ts. */
export function createRedisPresence(
  client: Redis | Cluster,
  { graceMs, onFault, onSwept = () => {} }: Options,
): Presence {
  const redis = withScripts(client);
  const reading = createReading(redis, graceMs);
  /** A process whose lease has ended is dead for the others: it goes on under a new name, its epoch. */
  let processId = randomUUID();
  /** This process's connections. */
  const own = new Map<string, Own>();
  const leftUntold: { user: UserRef; connection: string; graceMs: number }[] = [];
  /** Something could not be told to Redis: the next touch tells everything again. */
  let stale = false;
  /** The lease has ended since everything was told: others may have let this process's users leave. */
  let mayHaveLeft = false;
  let lastFaultAt = Number.NEGATIVE_INFINITY;
  const fault = (error: unknown) => {
    lastFaultAt = performance.now();
    onFault(error);
  };
  // Whoever answers next may lack what was told last, without any command having failed: a node of a cluster that comes
  // back, or a replica that is the master now.
  for (const event of ["-node", "close"]) {
    client.on(event, () => {
      stale = true;
      lastFaultAt = performance.now();
    });
  }
  async function redisOr<T>(otherwise: T, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      fault(error);
      return otherwise;
    }
  }

  let leaseEndsAt = Number.NEGATIVE_INFINITY;
  /** Since when it has had a lease without a break. */
  let leasedSince = Number.POSITIVE_INFINITY;

  async function renewLease(): Promise<"running" | "ended" | "none"> {
    const from = performance.now();
    const takeLease = (hadLease: 0 | 1) =>
      redis.presenceTouch(PROCESSES, processId, LEASE_MS, KEEP_ENDED_LEASES_MS, hadLease);
    const was = await takeLease(leaseEndsAt > 0 ? 1 : 0);
    if (was === ENDED) {
      mayHaveLeft = true;
      processId = randomUUID();
      await takeLease(0);
    }
    if (was !== RUNNING) leasedSince = from;
    leaseEndsAt = from + LEASE_MS;
    return (["running", "ended", "none"] as const)[was] ?? "none";
  }

  /**
   * Answers the users who came online by it. Of those that Redis has known of before only when others may have let them
   * leave: a Redis that has merely lost its data is no coming and going.
   */
  async function tellAllJoins(): Promise<UserRef[]> {
    const cameOnline: UserRef[] = [];
    for (const chunk of chunks([...own.keys()])) {
      const users = chunk.map((id) => own.get(id)).map((one) => (mayHaveLeft || !one?.told ? one?.user : undefined));
      const came = await tellJoins(chunk);
      cameOnline.push(...(users.filter((user, index) => user !== undefined && came[index]) as UserRef[]));
      await renewLease();
    }
    return cameOnline;
  }

  const nameOf = (process: string, connectionId: string) => `${process}/${connectionId}`;
  /**
   * Answers for each whether its user came online with it. Sends its commands before it first waits, so that a later
   * leave comes later at Redis as well; those that are gone already are left out.
   */
  async function tellJoins(connectionIds: string[]): Promise<boolean[]> {
    const there = connectionIds.filter((id) => own.has(id)).map((id) => ({ id, connection: own.get(id) as Own }));
    if (there.length === 0) return connectionIds.map(() => false);
    const byOrganisation = Map.groupBy(there, ({ connection }) => connection.user.organisationId);
    const cameOnline = new Set<string>();
    const telling = [...byOrganisation].map(async ([organisationId, some]) => {
      const as = processId;
      const data = some.flatMap(({ id, connection: { user, told } }) => {
        return [keyOf(user), nameOf(as, id), told === null || told === as ? "" : nameOf(told, id)];
      });
      const answers = await redis.presenceJoin(hashOf(organisationId), ...data);
      some.forEach(({ id, connection }, index) => {
        connection.told = as;
        if (answers[index] === 1) cameOnline.add(id);
      });
    });
    await Promise.all([...telling, redis.sadd(ORGANISATIONS, ...byOrganisation.keys())]);
    return connectionIds.map((id) => cameOnline.has(id));
  }
  const tellJoin = gathered(tellJoins, CHUNK);
  const tellLeave = (user: UserRef, connection: string, ms: number) =>
    redis.presenceLeave(hashOf(user.organisationId), keyOf(user), connection, ms);

  /**
   * One process sweeps at a time; after an outage of Redis all need a moment to renew their leases first, and who has just
   * started can't know that there was none.
   */
  async function isMyTurn(): Promise<boolean> {
    if (performance.now() - Math.max(lastFaultAt, leasedSince) < LEASE_MS) return false;
    return (await redis.set(SWEEPER, processId, "PX", SWEEP_INTERVAL_MS - 100, "NX")) === "OK";
  }

  const looks = createLooks({
    ...{ own, name: () => processId },
    end: (user, connection) => tellLeave(user, connection, graceMs),
    tellAgain() {
      stale = true;
    },
  });
  /** What is still to be told is no stray: who has left by choice would get a grace. */
  function isTimeToLook(): boolean {
    const quietMs = performance.now() - lastFaultAt;
    return !stale && leftUntold.length === 0 && quietMs >= LEASE_MS && looks.isDue(quietMs);
  }

  /** Who may be gone; the claim decides. Null when another process sweeps. Compares this process's own connections. */
  async function findGone(): Promise<UserRef[] | null> {
    const isTurn = await isMyTurn();
    const look = isTimeToLook() ? looks.begin() : null;
    if (!isTurn && !look) return null;
    const [leases, now] = await Promise.all([reading.leases(), reading.now()]);
    const gone: UserRef[] = [];
    const counts: Counts = { staff: 0, visitor: 0 };
    for (const organisationId of await redis.smembers(ORGANISATIONS)) {
      for (const { user, entry } of await reading.users(organisationId)) {
        if (reading.isOnline(entry, leases, now)) counts[user.kind]++;
        else gone.push(user);
        if (look) await look.see(user, entry);
      }
    }
    look?.end();
    if (!isTurn) return null;
    await redis.set(COUNTS, JSON.stringify(counts), "PX", KEEP_COUNTS_MS);
    return gone;
  }

  return {
    async join(user, connectionId) {
      own.set(connectionId, { user, told: null });
      try {
        // Without a lease the connection wouldn't count.
        if (performance.now() >= leaseEndsAt) stale = (await renewLease()) !== "running" || stale;
        return await tellJoin(connectionId);
      } catch (error) {
        stale = true;
        fault(error);
        return false;
      }
    },

    async leave(user, connectionId, ms) {
      // While it is told again it may be known by either of two names.
      const epochs = new Set([own.get(connectionId)?.told ?? processId, processId]);
      const names = connectionId === "all" ? [connectionId] : [...epochs].map((one) => nameOf(one, connectionId));
      own.delete(connectionId);
      const telling = names.map(async (connection) => {
        try {
          await tellLeave(user, connection, ms);
        } catch (error) {
          stale = true;
          leftUntold.push({ user, connection, graceMs: ms });
          fault(error);
        }
      });
      await Promise.all(telling);
    },

    async touch() {
      try {
        const lease = await renewLease();
        if (lease === "running" && !stale) return [];
        // What fails from here on sets it again.
        stale = false;
        const epoch = processId;
        const cameOnline = await tellAllJoins();
        // It may have ended again meanwhile.
        if (processId === epoch) mayHaveLeft = false;
        else stale = true;
        for (let left = leftUntold[0]; left; left = leftUntold[0]) {
          await tellLeave(left.user, left.connection, left.graceMs);
          leftUntold.shift();
        }
        return cameOnline;
      } catch (error) {
        stale = true;
        fault(error);
        return [];
      }
    },

    async sweep(onGone, only) {
      const claim = `~${processId}`;
      const back: UserRef[] = [];
      const startedAt = performance.now();
      const gone = only ? [only] : await redisOr(null, findGone);
      if (gone === null) return back;
      let count = 0;
      await forEachGone(gone, async (user) => {
        const hash = hashOf(user.organisationId);
        const isOurs = await redisOr(0, async () => {
          // Read anew for each: serving those before may have taken a while.
          const leases = JSON.stringify(await reading.leases());
          return redis.presenceClaim(hash, keyOf(user), claim, CLAIM_MS, leases, graceMs, processId, LEASE_MS);
        });
        if (isOurs === 0) return;
        count++;
        await onGone(user);
        if ((await redisOr(0, () => redis.presenceRelease(hash, keyOf(user), claim))) === 1) back.push(user);
      });
      if (!only) onSwept((performance.now() - startedAt) / 1_000, count);
      return back;
    },

    async expect(users, ms) {
      // Even without a grace the other processes need their time to tell who is there.
      const untilTold = Math.max(ms, LEASE_MS);
      for (const chunk of chunks(users)) {
        await redisOr(null, () =>
          Promise.all([
            ...chunk.map((user) => redis.presenceExpect(hashOf(user.organisationId), keyOf(user), untilTold)),
            redis.sadd(ORGANISATIONS, ...new Set(chunk.map(({ organisationId }) => organisationId))),
          ]),
        );
      }
    },

    async online(organisationId) {
      const known = await redisOr(null, async () => {
        const [leases, now, all] = await Promise.all([reading.leases(), reading.now(), reading.users(organisationId)]);
        const isComplete = (leases[processId] ?? 0) > now && (leases[EMPTIED] ?? 0) + LEASE_MS <= now;
        return {
          isComplete,
          users: all.filter(({ entry }) => reading.isOnline(entry, leases, now)).map(({ user }) => user),
        };
      });
      const isSure = known?.isComplete === true && performance.now() - lastFaultAt >= LEASE_MS;
      if (isSure) return { isSure, users: known.users };
      const mine = [...own.values()].map(({ user }) => user).filter((user) => user.organisationId === organisationId);
      return { isSure, users: unique([...(known?.users ?? []), ...mine]) };
    },

    async count() {
      const counts = await redisOr(null, () => redis.get(COUNTS));
      return counts === null ? null : (JSON.parse(counts) as Counts);
    },
  };
}

function chunks<T>(items: T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / CHUNK) }, (_, n) => items.slice(n * CHUNK, (n + 1) * CHUNK));
}
