import type { UserRef } from "../identity/user-ref.ts";
import {
  type Counts,
  forEachGone,
  keyOf,
  LEASE_MS,
  type Presence,
  type PresenceObserver,
  SWEEP_INTERVAL_MS,
  TOUCH_INTERVAL_MS,
} from "./presence.ts";
import type { Unheard } from "./redis-hearing.ts";
import type { Lease } from "./redis-lease.ts";
import { createLooks } from "./redis-look.ts";
import { type createReading, type Entry, type Known, type Leases, processOf } from "./redis-reading.ts";
import { COUNTS, endedKeyOf, hashOf, ORGANISATIONS, SWEEPER, type WithScripts } from "./redis-scripts.ts";
import { isPoison, type Telling } from "./redis-telling.ts";

/** For how long a process has a user for itself while it lets him leave. */
const CLAIM_MS = 5_000;
/** For how long what a process has read of the leases is good enough to claim somebody. */
const DECISION_HOLDS_MS = 3_000;
/**
 * After a fault of its own a process claims nobody for so long, not even who leaves by choice: by then each other process
 * has touched, and has said whether it still has something to tell.
 */
const QUIET_MS = TOUCH_INTERVAL_MS + 1_000;
/** So long whoever has an entry that can't be read counts as online: their process needs two looks to tell it again. */
const MENDED_MS = 90_000;
const KEEP_COUNTS_MS = 10_000;
/** Of leases that ended longer ago nobody is told. */
const ENDED_LATELY_MS = 60_000;

type Parts = {
  redis: WithScripts;
  reading: ReturnType<typeof createReading>;
  hearing: (leases: Leases) => Promise<Unheard>;
  lease: Lease;
  telling: Telling;
  /** How long ago the last fault was. */
  quietMs: () => number;
  redisOr: <T>(otherwise: T, work: () => Promise<T>) => Promise<T>;
  onPoison: (error: unknown) => void;
  graceMs: number;
  observer: PresenceObserver;
};

/** Makes what finds those who are gone, and lets each of them leave on one process. */
export function createSweep(parts: Parts): Presence["sweep"] {
  const { redis, reading, hearing, lease, telling, quietMs, redisOr, onPoison, graceMs, observer } = parts;

  /**
   * One process sweeps at a time; after an outage of Redis all need a moment to renew their leases first, and who has just
   * started can't know that there was none.
   */
  async function isMyTurn(): Promise<boolean> {
    if (Math.min(quietMs(), performance.now() - lease.since()) < LEASE_MS) return false;
    return (await redis.set(SWEEPER, lease.name(), "PX", SWEEP_INTERVAL_MS - 100, "NX")) === "OK";
  }

  const looks = createLooks({
    ...{ own: telling.own, name: lease.name },
    end: (user, connection) => telling.end(user, connection, graceMs),
    tellAgain: telling.forget,
  });
  /** What is still to be told is no stray: who has left by choice would get a grace. */
  const isTimeToLook = () => telling.isDone() && quietMs() >= LEASE_MS && looks.isDue(quietMs());

  /** Who may be gone; the claim decides. Null when another process sweeps. Compares this process's own connections. */
  async function findGone(): Promise<{ gone: Known[]; leases: Leases } | null> {
    const isTurn = await isMyTurn();
    const look = isTimeToLook() ? looks.begin() : null;
    if (!isTurn && !look) return null;
    const leases = await reading.leases();
    const gone: Known[] = [];
    const counts: Counts = { staff: 0, visitor: 0 };
    for (const organisationId of await redis.smembers(ORGANISATIONS)) {
      try {
        for (const known of await reading.users(organisationId)) {
          const { user, entry } = known;
          if (entry === null) await mend(known);
          if (entry === null || leases.isOnline(entry)) counts[user.kind]++;
          else gone.push(known);
          if (look && entry) await look.see(user, entry);
        }
      } catch (error) {
        if (!isPoison(error)) throw error;
        onPoison(error);
      }
    }
    look?.end();
    if (!isTurn) return null;
    await redis.set(COUNTS, JSON.stringify(counts), "PX", KEEP_COUNTS_MS);
    return { gone, leases };
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
   * Whether he is gone and this process has him now. `entry` was read before: who has come since has changed it.
   * @param whyUnheard why nobody is evicted by loss; it is asked before a claim by loss
   */
  async function claim(
    claimName: string,
    { user, json, entry }: Known,
    { isChoice, whyUnheard }: { isChoice: boolean; whyUnheard: () => Promise<Unheard> },
  ): Promise<boolean> {
    // Read anew for each: serving those before may have taken a while.
    const leases = await reading.leases();
    if (entry === null || Object.keys(entry).length === 0) return false;
    // A process without a running lease knows too little to claim anybody.
    if (!leases.isRunning(lease.name()) || leases.whyHeld() !== null || leases.isOnline(entry)) return false;
    const isLoss = !isChoice || endedProcessOf(entry) !== null;
    if (isLoss && (leases.isUnheard || (await whyUnheard()) !== null)) return false;
    const hash = hashOf(user.organisationId);
    const decision = [leases.now, DECISION_HOLDS_MS] as const;
    return (await redis.presenceClaim(hash, keyOf(user), json, claimName, CLAIM_MS, ...decision)) === 1;
  }

  /** Says once for all processes, of each lease that has ended and has outlived its grace, how many users have left by it. */
  async function tellEnded(leases: Leases, left: Map<string, number>): Promise<void> {
    for (const [process, endedAt] of leases.ended()) {
      const sinceMs = leases.now - endedAt - graceMs;
      if (sinceMs < 0 || sinceMs > ENDED_LATELY_MS) continue;
      const isFirst = await redis.set(endedKeyOf(process), "1", "PX", 2 * ENDED_LATELY_MS, "NX");
      if (isFirst === "OK" || left.has(process)) observer.peerLeaseEnded(process, left.get(process) ?? 0);
    }
  }

  return async (prepare, only) => {
    const claimName = `~${lease.name()}`;
    const back: UserRef[] = [];
    const startedAt = performance.now();
    const found = only
      ? await redisOr(null, async () => ({ gone: await findOne(only), leases: await reading.leases() }))
      : await redisOr(null, findGone);
    if (found === null) return { back, failures: [] };
    const whyUnheard = lasting(() => hearing(found.leases), DECISION_HOLDS_MS);
    // Asked after the leases were read: a process whose lease had ended by then has said by now that it lives.
    const unheard = only ? null : await redisOr<Unheard>("unheard", whyUnheard);
    const why = found.leases.whyHeld() ?? unheard;
    if (why !== null && found.gone.length > 0) observer.held({ why, users: found.gone.length });
    else if (!only && why === null) observer.held(null);
    const left = new Map<string, number>();
    const failures = await forEachGone(why === null ? found.gone : [], async (known) => {
      const { user, entry } = known;
      // What is left must be known before he is claimed: what he has begun since is his.
      const leave = await prepare(user);
      if (!(await redisOr(false, () => claim(claimName, known, { isChoice: only !== undefined, whyUnheard })))) return;
      const process = endedProcessOf(entry as Entry);
      await leave();
      observer.left(process === null ? "connection" : "lease");
      if (process !== null) left.set(process, (left.get(process) ?? 0) + 1);
      const hash = hashOf(user.organisationId);
      if ((await redisOr(0, () => redis.presenceRelease(hash, keyOf(user), claimName))) === 1) back.push(user);
    });
    if (!only) {
      if (unheard === null) await redisOr(undefined, () => tellEnded(found.leases, left));
      observer.swept((performance.now() - startedAt) / 1_000);
    }
    return { back, failures };
  };
}

/** Answers what `ask` has answered less than `ms` ago, else asks again. */
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

/** The process by the end of whose lease a user who is gone has lost a connection; null when he has lost them one by one. */
function endedProcessOf(entry: Entry): string | null {
  const there = Object.entries(entry).find(([connection, ends]) => ends === 0 && !connection.startsWith("~"));
  return there ? processOf(there[0]) : null;
}
