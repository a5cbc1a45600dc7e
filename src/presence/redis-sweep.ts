import type { UserRef } from "../identity/user-ref.ts";
import {
  type Counts,
  keyOf,
  LEASE_MS,
  type Presence,
  type PresenceObserver,
  SWEEP_INTERVAL_MS,
  settleInChunks,
  TOUCH_INTERVAL_MS,
} from "./presence.ts";
import { createComparisons } from "./redis-comparison.ts";
import type { OwnConnections } from "./redis-connections.ts";
import type { CutOff } from "./redis-cut-off.ts";
import type { Lease } from "./redis-lease.ts";
import { type createReading, type Entry, type Known, type Leases, processOf } from "./redis-reading.ts";
import { COUNTS, endedKeyOf, hashOf, isPoison, ORGANISATIONS, SWEEPER, type WithScripts } from "./redis-scripts.ts";

/** How long a claim on a user lasts. The process evicts the user meanwhile. */
const CLAIM_MS = 5_000;
/** How long a decision stays valid after the leases were read. */
const DECISION_HOLDS_MS = 3_000;
/**
 * After a fault of its own a process claims nobody for this time, not even users who leave by choice. By then every other
 * process has renewed its lease, and has marked whether it has pending changes.
 */
const QUIET_MS = TOUCH_INTERVAL_MS + 1_000;
/** A user with an unreadable entry counts as online for this time. Their process needs two comparisons to repair it. */
const MENDED_MS = 90_000;
const KEEP_COUNTS_MS = 10_000;
/** Leases that ended longer ago aren't reported. */
const ENDED_LATELY_MS = 60_000;

type Parts = {
  redis: WithScripts;
  reading: ReturnType<typeof createReading>;
  checkCutOff: (leases: Leases) => Promise<CutOff>;
  lease: Lease;
  connections: OwnConnections;
  /** The time since the last fault. */
  quietMs: () => number;
  redisOr: <T>(otherwise: T, work: () => Promise<T>) => Promise<T>;
  onPoison: (error: unknown) => void;
  graceMs: number;
  observer: PresenceObserver;
};

/** Creates the function that finds offline users, and evicts each of them on one process. */
export function createSweep(parts: Parts): Presence["sweep"] {
  const { redis, reading, checkCutOff, lease, connections, quietMs, redisOr, onPoison, graceMs, observer } = parts;

  /**
   * Only one process sweeps at a time. After an outage of Redis all processes first need time to renew their leases. A
   * process that has just started also waits, because it can't know about an outage before.
   */
  async function isMyTurn(): Promise<boolean> {
    if (Math.min(quietMs(), performance.now() - lease.since()) < LEASE_MS) return false;
    return (await redis.set(SWEEPER, lease.name(), "PX", SWEEP_INTERVAL_MS - 100, "NX")) === "OK";
  }

  const comparisons = createComparisons({
    ...{ own: connections.own, name: lease.name },
    end: (user, connection) => connections.end(user, connection, graceMs),
    resendAll: connections.resendAll,
  });
  /** While a leave is pending, its connection would look stray. The user left by choice, but would get a grace period. */
  const isTimeToCompare = () => connections.isFlushed() && quietMs() >= LEASE_MS && comparisons.isDue(quietMs());

  /** Finds users who may be offline; null when another process sweeps. Also compares this process's connections. */
  async function findOffline(): Promise<{ offline: Known[]; leases: Leases } | null> {
    const isTurn = await isMyTurn();
    const comparison = isTimeToCompare() ? comparisons.begin() : null;
    if (!isTurn && !comparison) return null;
    const leases = await reading.leases();
    const offline: Known[] = [];
    const counts: Counts = { staff: 0, visitor: 0 };
    for (const organisationId of await redis.smembers(ORGANISATIONS)) {
      try {
        for (const known of await reading.users(organisationId)) {
          const { user, entry } = known;
          if (entry === null) await mend(known);
          if (entry === null || leases.isOnline(entry)) counts[user.kind]++;
          else offline.push(known);
          if (comparison && entry) await comparison.compare(user, entry);
        }
      } catch (error) {
        if (!isPoison(error)) throw error;
        onPoison(error);
      }
    }
    comparison?.end();
    if (!isTurn) return null;
    await redis.set(COUNTS, JSON.stringify(counts), "PX", KEEP_COUNTS_MS);
    return { offline, leases };
  }

  async function mend({ user, json }: Known): Promise<void> {
    onPoison(new Error(`presence of ${keyOf(user)} can't be read: ${json.slice(0, 100)}`));
    await redis.presenceMend(hashOf(user.organisationId), keyOf(user), MENDED_MS);
  }

  async function findOne(user: UserRef): Promise<Known[]> {
    if (quietMs() < QUIET_MS) return [];
    const known = await reading.user(user, keyOf(user));
    return known ? [known] : [];
  }

  /**
   * Answers whether the user is offline and claimed by this process now. Fails if `entry` has changed since it was read.
   * @param whyCutOff why evictions by loss are held; called before a claim by loss only
   */
  async function claim(
    claimName: string,
    { user, json, entry }: Known,
    { isChoice, whyCutOff }: { isChoice: boolean; whyCutOff: () => Promise<CutOff> },
  ): Promise<boolean> {
    // Read the leases again for each user, because the evictions before may have taken a while.
    const leases = await reading.leases();
    if (entry === null || Object.keys(entry).length === 0) return false;
    // A process without a running lease may lack data, so it claims nobody.
    if (!leases.isRunning(lease.name()) || leases.whyHeld() !== null || leases.isOnline(entry)) return false;
    const isLoss = !isChoice || endedProcessOf(entry) !== null;
    if (isLoss && (leases.isCutOff || (await whyCutOff()) !== null)) return false;
    const hash = hashOf(user.organisationId);
    const decision = [leases.now, DECISION_HOLDS_MS] as const;
    return (await redis.presenceClaim(hash, keyOf(user), json, claimName, CLAIM_MS, ...decision)) === 1;
  }

  /** Reports each lease whose grace period is over, once for all processes, with the number of evicted users. */
  async function reportEndedLeases(leases: Leases, evicted: Map<string, number>): Promise<void> {
    for (const [process, endedAt] of leases.ended()) {
      const sinceMs = leases.now - endedAt - graceMs;
      if (sinceMs < 0 || sinceMs > ENDED_LATELY_MS) continue;
      const isFirst = await redis.set(endedKeyOf(process), "1", "PX", 2 * ENDED_LATELY_MS, "NX");
      if (isFirst === "OK" || evicted.has(process)) observer.peerLeaseEnded(process, evicted.get(process) ?? 0);
    }
  }

  return async (prepare, only) => {
    const claimName = `~${lease.name()}`;
    const back: UserRef[] = [];
    const startedAt = performance.now();
    const found = only
      ? await redisOr(null, async () => ({ offline: await findOne(only), leases: await reading.leases() }))
      : await redisOr(null, findOffline);
    if (found === null) return { back, failures: [] };
    const whyCutOff = lasting(() => checkCutOff(found.leases), DECISION_HOLDS_MS);
    // Order matters: read the leases, then the heartbeats. A live process whose lease ended has written one by then.
    const cutOff = only ? null : await redisOr<CutOff>("cut_off", whyCutOff);
    const why = found.leases.whyHeld() ?? cutOff;
    if (why !== null && found.offline.length > 0) observer.held({ why, users: found.offline.length });
    else if (!only && why === null) observer.held(null);
    const evicted = new Map<string, number>();
    const failures = await settleInChunks(why === null ? found.offline : [], async (known) => {
      const { user, entry } = known;
      // Order matters: prepare, then claim. The user keeps what they begin after `prepare`.
      const evict = await prepare(user);
      if (!(await redisOr(false, () => claim(claimName, known, { isChoice: only !== undefined, whyCutOff })))) return;
      const process = endedProcessOf(entry as Entry);
      await evict();
      observer.evicted(process === null ? "connection" : "lease");
      if (process !== null) evicted.set(process, (evicted.get(process) ?? 0) + 1);
      const hash = hashOf(user.organisationId);
      if ((await redisOr(0, () => redis.presenceRelease(hash, keyOf(user), claimName))) === 1) back.push(user);
    });
    if (!only) {
      if (cutOff === null) await redisOr(undefined, () => reportEndedLeases(found.leases, evicted));
      observer.swept((performance.now() - startedAt) / 1_000);
    }
    return { back, failures };
  };
}

/** Calls `ask`, and repeats its answer for `ms`. */
function lasting<T>(ask: () => Promise<T>, ms: number): () => Promise<T> {
  let answer: Promise<T> | undefined;
  let askedAt = 0;
  return () => {
    if (answer && performance.now() - askedAt < ms) return answer;
    askedAt = performance.now();
    answer = ask();
    return answer;
  };
}

/** The process whose lease ended with this user's connection on it; null if each connection was lost by itself. */
function endedProcessOf(entry: Entry): string | null {
  const there = Object.entries(entry).find(([connection, ends]) => ends === 0 && !connection.startsWith("~"));
  return there ? processOf(there[0]) : null;
}
