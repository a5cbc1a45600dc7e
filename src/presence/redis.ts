import type { Cluster, Redis } from "ioredis";
import { chunks } from "../platform/chunks.ts";
import {
  type Counts,
  IGNORE,
  keyOf,
  LEASE_MS,
  type Presence,
  type PresenceObserver,
  TOUCH_INTERVAL_MS,
  unique,
} from "./presence.ts";
import { createHearing } from "./redis-hearing.ts";
import { createLease } from "./redis-lease.ts";
import { createReading } from "./redis-reading.ts";
import { COUNTS, hashOf, ORGANISATIONS, withScripts } from "./redis-scripts.ts";
import { createSweep } from "./redis-sweep.ts";
import { CHUNK, createTelling, isPoison } from "./redis-telling.ts";
import { createHeartbeat, NO_WITNESS, type Witness } from "./witness.ts";

type Options = {
  graceMs: number;
  onFault: (error: unknown) => void;
  observer?: PresenceObserver;
  /** A connection for the lease alone, so that a renewal never stands behind thousands of other commands. */
  leaseClient?: Redis | Cluster;
  witness?: Witness;
};

/** Presence of many processes. What is kept in Redis, and how it changes, is in ./redis-scripts.ts. */
export function createRedisPresence(
  client: Redis | Cluster,
  { graceMs, onFault, observer = IGNORE, leaseClient = client, witness = NO_WITNESS }: Options,
): Presence {
  const redis = withScripts(client);
  const reading = createReading(redis, graceMs);
  let lastFaultAt = Number.NEGATIVE_INFINITY;
  const onTrouble = () => {
    lastFaultAt = performance.now();
    heartbeat.onTrouble();
  };
  const fault = (error: unknown) => {
    if (!isPoison(error)) onTrouble();
    onFault(error);
  };
  async function redisOr<T>(otherwise: T, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      fault(error);
      return otherwise;
    }
  }

  const telling = createTelling({ client, redis, name: () => lease.name(), onRefused: onFault });
  const lease = createLease({
    redis: leaseClient === client ? redis : withScripts(leaseClient),
    isTelling: telling.isBehind,
    onLost(why) {
      if (why === "ended") {
        telling.doubt();
        observer.ownLeaseEnded(lease.name());
      } else telling.forget();
    },
  });
  const quietMs = () => performance.now() - lastFaultAt;
  const heartbeat = createHeartbeat(witness, {
    onFault,
    // Early enough: the others see it before this lease can end.
    isHeard: () => lease.leftMs() >= LEASE_MS - 2 * TOUCH_INTERVAL_MS && telling.isWhole(),
  });
  const hearing = createHearing({ redis, witness, graceMs, onFault });
  const sweep = createSweep({
    ...{ redis, reading, hearing, lease, telling, quietMs, redisOr, onPoison: onFault, graceMs, observer },
  });

  // Whoever answers next may lack what was told last, without any command having failed: a node of a cluster that comes
  // back, or a replica that is the master now.
  for (const event of ["-node", "close"]) {
    client.on(event, () => {
      telling.forget();
      onTrouble();
    });
  }

  return {
    async join(user, connectionId) {
      try {
        // Without a lease the connection wouldn't count.
        if (!lease.isRunning()) await lease.renew();
      } catch (error) {
        fault(error);
      }
      return redisOr(false, () => telling.join(user, connectionId));
    },

    leave: (user, connectionId, ms) => redisOr(undefined, () => telling.leave(user, connectionId, ms)),

    renew: () => redisOr(undefined, lease.renew),

    testify: heartbeat.beat,
    end: heartbeat.end,

    async touch() {
      return redisOr([], async () => {
        await lease.renew();
        if (telling.isDone()) return [];
        const wasBehind = telling.isBehind();
        const cameOnline = await telling.tellRest();
        // The others needn't wait for the mark to run out.
        if (wasBehind && !telling.isBehind()) await lease.renew();
        return cameOnline;
      });
    },

    sweep,

    async expect(users, ms) {
      // Even without a grace the other processes need their time to tell who is there.
      const untilTold = Math.max(ms, LEASE_MS);
      for (const chunk of chunks(users, CHUNK)) {
        const telling = chunk.map((user) =>
          redisOr(null, () => redis.presenceExpect(hashOf(user.organisationId), keyOf(user), untilTold)),
        );
        const organisations = new Set(chunk.map(({ organisationId }) => organisationId));
        await Promise.all([...telling, redisOr(null, () => redis.sadd(ORGANISATIONS, ...organisations))]);
      }
    },

    async online(organisationId) {
      const known = await redisOr(null, async () => {
        const [leases, all] = await Promise.all([reading.leases(), reading.users(organisationId)]);
        const isComplete = leases.isRunning(lease.name()) && leases.whyHeld() === null;
        return {
          isComplete: isComplete && all.every(({ entry }) => entry !== null),
          // An entry says that its user was told online, and nobody is told offline while evictions are held.
          users: all
            .filter(({ entry }) => entry === null || leases.isUnheard || leases.isOnline(entry))
            .map(({ user }) => user),
        };
      });
      const isSure = known?.isComplete === true && quietMs() >= LEASE_MS;
      if (isSure) return { isSure, users: known.users };
      const mine = [...telling.own.values()].map(({ user }) => user);
      const here = mine.filter((user) => user.organisationId === organisationId);
      return { isSure, users: unique([...(known?.users ?? []), ...here]) };
    },

    count: () =>
      redisOr(null, async () => {
        const counts = await redis.get(COUNTS);
        return counts === null ? null : (JSON.parse(counts) as Counts);
      }),
  };
}
