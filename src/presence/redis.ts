import type { Cluster, Redis } from "ioredis";
import { chunks } from "../platform/chunks.ts";
import { createHeartbeat, type Heartbeats, NO_HEARTBEATS } from "./heartbeats.ts";
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
import { createOwnConnections } from "./redis-connections.ts";
import { createCutOffCheck } from "./redis-cut-off.ts";
import { createLease } from "./redis-lease.ts";
import { createReading } from "./redis-reading.ts";
import { CHUNK, COUNTS, hashOf, isPoison, ORGANISATIONS, withScripts } from "./redis-scripts.ts";
import { createSweep } from "./redis-sweep.ts";

type Options = {
  graceMs: number;
  onFault: (error: unknown) => void;
  observer?: PresenceObserver;
  /** A connection for the lease alone, so that a renewal never waits behind thousands of other commands. */
  leaseClient?: Redis | Cluster;
  heartbeats?: Heartbeats;
};

/** Presence for many processes. ./redis-scripts.ts describes what Redis keeps, and has the changes. */
export function createRedisPresence(
  client: Redis | Cluster,
  { graceMs, onFault, observer = IGNORE, leaseClient = client, heartbeats = NO_HEARTBEATS }: Options,
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

  const connections = createOwnConnections({ client, redis, name: () => lease.name(), onRefused: onFault });
  const lease = createLease({
    redis: leaseClient === client ? redis : withScripts(leaseClient),
    hasPendingJoins: connections.mayLackConnections,
    onLost(why) {
      if (why === "ended") {
        connections.resendAndAnnounceAll();
        observer.ownLeaseEnded(lease.name());
      } else connections.resendAll();
    },
  });
  const quietMs = () => performance.now() - lastFaultAt;
  const heartbeat = createHeartbeat(heartbeats, {
    onFault,
    // Early enough for other processes to see it before this lease can end.
    isComplete: () => lease.leftMs() >= LEASE_MS - 2 * TOUCH_INTERVAL_MS && connections.isInSync(),
  });
  const checkCutOff = createCutOffCheck({ redis, heartbeats, graceMs, onFault });
  const sweep = createSweep({
    ...{ redis, reading, checkCutOff, lease, connections, quietMs, redisOr, onPoison: onFault, graceMs, observer },
  });

  // The next Redis to answer may lack the last changes although no command failed: a cluster node that comes back, or a
  // replica that became the master.
  for (const event of ["-node", "close"]) {
    client.on(event, () => {
      connections.resendAll();
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
      return redisOr(false, () => connections.join(user, connectionId));
    },

    leave: (user, connectionId, ms) => redisOr(undefined, () => connections.leave(user, connectionId, ms)),

    renew: () => redisOr(undefined, lease.renew),

    beat: heartbeat.beat,
    end: heartbeat.end,

    async touch() {
      return redisOr([], async () => {
        await lease.renew();
        if (connections.isFlushed()) return [];
        const wasBehind = connections.mayLackConnections();
        const cameOnline = await connections.flush();
        // So the other processes needn't wait until the mark expires.
        if (wasBehind && !connections.mayLackConnections()) await lease.renew();
        return cameOnline;
      });
    },

    sweep,

    async expect(users, ms) {
      // Even with a shorter grace period: the other processes need this time to report their connections.
      const untilReported = Math.max(ms, LEASE_MS);
      for (const chunk of chunks(users, CHUNK)) {
        const connections = chunk.map((user) =>
          redisOr(null, () => redis.presenceExpect(hashOf(user.organisationId), keyOf(user), untilReported)),
        );
        const organisations = new Set(chunk.map(({ organisationId }) => organisationId));
        await Promise.all([...connections, redisOr(null, () => redis.sadd(ORGANISATIONS, ...organisations))]);
      }
    },

    async online(organisationId) {
      const known = await redisOr(null, async () => {
        const [leases, all] = await Promise.all([reading.leases(), reading.users(organisationId)]);
        const isComplete = leases.isRunning(lease.name()) && leases.whyHeld() === null;
        return {
          isComplete: isComplete && all.every(({ entry }) => entry !== null),
          // A user with an entry was announced as online. While evictions are held, nobody is announced as offline.
          users: all
            .filter(({ entry }) => entry === null || leases.isCutOff || leases.isOnline(entry))
            .map(({ user }) => user),
        };
      });
      const isSure = known?.isComplete === true && quietMs() >= LEASE_MS;
      if (isSure) return { isSure, users: known.users };
      const mine = [...connections.own.values()].map(({ user }) => user);
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
