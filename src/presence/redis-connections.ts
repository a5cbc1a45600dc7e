import type { Cluster, Redis } from "ioredis";
import type { UserRef } from "../identity/user-ref.ts";
import { chunks } from "../platform/chunks.ts";
import { gathered } from "../platform/gather.ts";
import { keyOf } from "./presence.ts";
import { hashOf, ORGANISATIONS, type WithScripts } from "./redis-scripts.ts";

/** The most changes that are sent at once. */
export const CHUNK = 200;
/** The most leaves that are kept while Redis is away. A comparison with Redis finds the others. */
const MAX_LEAVES = 20_000;

/**
 * `knownAs`: the process name under which Redis has confirmed the connection; null before that. `isSent`: Redis may know
 * the connection, also when its answer was lost.
 */
type Own = { user: UserRef; knownAs: string | null; isSent: boolean };
/** `mayBeUnknown`: Redis may never have received the connection. */
type Leave = { user: UserRef; connection: string; graceMs: number; mayBeUnknown?: boolean };

export type OwnConnections = {
  /** This process's connections. */
  own: ReadonlyMap<string, Own>;
  /** Answers whether the user came online. After a rejection `flush` sends the join again. */
  join(user: UserRef, id: string): Promise<boolean>;
  /** After a rejection `flush` sends the leave again. */
  leave(user: UserRef, id: string | "all", graceMs: number): Promise<void>;
  /** Reports the loss of a connection that this process doesn't have. */
  end(user: UserRef, connection: string, graceMs: number): Promise<unknown>;
  /** Redis may have lost everything: the next `flush` sends all connections. */
  resendAll(): void;
  /** The same, and other processes may have evicted this process's users: announce them again. */
  resendAndAnnounceAll(): void;
  /** Whether Redis may lack connections of this process. */
  mayLackConnections(): boolean;
  /** Whether Redis has all joins and leaves of this process, except refused ones. */
  isInSync(): boolean;
  /** Whether no change is pending. */
  isFlushed(): boolean;
  /** Sends the pending changes, in chunks. Answers the users who came online by it. Never runs twice at once. */
  flush(): Promise<UserRef[]>;
};

type Options = {
  client: Redis | Cluster;
  redis: WithScripts;
  /** The process's present name. */
  name: () => string;
  /** Called when Redis refuses the changes of an organisation. Other organisations aren't affected. */
  onRefused: (error: unknown) => void;
};

/** Whether Redis refuses an organisation's key because of its type. Such a fault is no outage: a retry doesn't help. */
export const isPoison = (error: unknown): boolean => error instanceof Error && error.message.startsWith("WRONGTYPE");

const nameOf = (process: string, id: string) => `${process}/${id}`;
const notConnected = () => new Error("Redis isn't connected");

/** Sends this process's connections to Redis, and keeps the changes that are pending during an outage. */
export function createOwnConnections({ client, redis, name, onRefused }: Options): OwnConnections {
  const own = new Map<string, Own>();
  /** Connections that Redis may lack. */
  const pendingJoins = new Set<string>();
  /** The pending joins that Redis refuses, because their organisation's key has a wrong type. */
  const refused = new Set<string>();
  const pendingLeaves = new Map<string, Leave>();
  let mustResend = false;
  let mayHaveEvicted = false;
  let running: Promise<UserRef[]> | null = null;

  /** ioredis would refuse the command, so Redis certainly never receives it. */
  const isAway = () => client.options.enableOfflineQueue === false && client.status !== "ready";

  /**
   * Answers for each connection whether its user came online, or the error. Skips connections that are closed already.
   * Sends its commands before the first await, so that Redis receives a later leave after its join.
   */
  async function sendJoins(ids: string[]): Promise<(boolean | { error: unknown })[]> {
    const there = ids.filter((id) => own.has(id)).map((id) => ({ id, connection: own.get(id) as Own }));
    if (there.length === 0) return ids.map(() => false);
    if (isAway()) {
      for (const { id } of there) pendingJoins.add(id);
      return ids.map(() => ({ error: notConnected() }));
    }
    const byOrganisation = Map.groupBy(there, ({ connection }) => connection.user.organisationId);
    const outcomes = new Map<string, boolean | { error: unknown }>();
    const sends = [...byOrganisation].map(async ([organisationId, some]) => {
      const as = name();
      const data = some.flatMap(({ id, connection: { user, knownAs } }) => {
        return [keyOf(user), nameOf(as, id), knownAs === null || knownAs === as ? "" : nameOf(knownAs, id)];
      });
      for (const { connection } of some) connection.isSent = true;
      try {
        const listing = redis.sadd(ORGANISATIONS, organisationId);
        const [answers] = await Promise.all([redis.presenceJoin(hashOf(organisationId), ...data), listing]);
        some.forEach(({ id, connection }, index) => {
          connection.knownAs = as;
          pendingJoins.delete(id);
          refused.delete(id);
          outcomes.set(id, answers[index] === 1);
        });
      } catch (error) {
        for (const { id } of some) {
          if (own.has(id)) pendingJoins.add(id);
          if (isPoison(error)) refused.add(id);
          outcomes.set(id, { error });
        }
      }
    });
    await Promise.all(sends);
    return ids.map((id) => outcomes.get(id) ?? false);
  }
  const sendJoin = gathered(sendJoins, CHUNK);

  const sendLeave = ({ user, connection, graceMs, mayBeUnknown }: Leave): Promise<unknown> =>
    isAway()
      ? Promise.reject(notConnected())
      : redis.presenceLeave(hashOf(user.organisationId), keyOf(user), connection, graceMs, mayBeUnknown ? 1 : 0);

  function keep(leave: Leave): void {
    const { user, connection } = leave;
    const key = connection === "all" ? `all ${keyOf(user)}` : connection;
    if (connection === "all" || pendingLeaves.size < MAX_LEAVES) pendingLeaves.set(key, leave);
  }

  async function flushJoins(): Promise<UserRef[]> {
    const cameOnline: UserRef[] = [];
    const failures: unknown[] = [];
    const poison: unknown[] = [];
    for (const chunk of chunks([...pendingJoins], CHUNK)) {
      // Announce a user that Redis has known before only if others may have evicted them. A Redis that merely lost its
      // data changes nothing for them.
      const mayAnnounce = chunk.map((id) => own.get(id)).map((one) => mayHaveEvicted || !one?.knownAs);
      const users = chunk.map((id) => own.get(id)?.user);
      const outcomes = await sendJoins(chunk);
      outcomes.forEach((outcome, index) => {
        if (typeof outcome === "object") (isPoison(outcome.error) ? poison : failures).push(outcome.error);
        else if (outcome && mayAnnounce[index]) cameOnline.push(users[index] as UserRef);
      });
    }
    if (poison.length > 0) onRefused(poison[0]);
    if (failures.length > 0) throw failures[0];
    return cameOnline;
  }

  async function flushLeaves(): Promise<void> {
    const failures: unknown[] = [];
    const poison: unknown[] = [];
    for (const chunk of chunks([...pendingLeaves], CHUNK)) {
      const results = await Promise.allSettled(chunk.map(([, leave]) => sendLeave(leave)));
      results.forEach((result, index) => {
        const [key, leave] = chunk[index] as [string, Leave];
        const isRefused = result.status === "rejected" && isPoison(result.reason);
        if (result.status === "rejected") (isRefused ? poison : failures).push(result.reason);
        // A newer leave may have replaced this one meanwhile.
        if ((isRefused || result.status === "fulfilled") && pendingLeaves.get(key) === leave) pendingLeaves.delete(key);
      });
    }
    if (poison.length > 0) onRefused(poison[0]);
    if (failures.length > 0) throw failures[0];
  }

  async function flushAll(): Promise<UserRef[]> {
    const as = name();
    if (mustResend) {
      for (const id of own.keys()) pendingJoins.add(id);
      mustResend = false;
    }
    const cameOnline = await flushJoins();
    // The lease may have ended again meanwhile.
    if (name() === as) mayHaveEvicted = false;
    await flushLeaves();
    return cameOnline;
  }

  const mayLackConnections = () => (mustResend && own.size > 0) || pendingJoins.size > refused.size;

  return {
    own,
    async join(user, id) {
      own.set(id, { user, knownAs: null, isSent: false });
      const outcome = await sendJoin(id);
      if (typeof outcome === "object") throw outcome.error;
      return outcome;
    },
    async leave(user, id, graceMs) {
      if (id === "all") {
        const leave = { user, connection: id, graceMs };
        await sendLeave(leave).catch((error: unknown) => {
          keep(leave);
          throw error;
        });
        return;
      }
      const one = own.get(id);
      own.delete(id);
      pendingJoins.delete(id);
      refused.delete(id);
      // Redis never received this connection, or it came and went while Redis was away and needs no grace period.
      if (!one || !(one.isSent || graceMs > 0)) return;
      // During a resend Redis may know the connection by either of two names.
      const sends = [...new Set([one.knownAs ?? name(), name()])].map(async (process) => {
        const leave = { user, connection: nameOf(process, id), graceMs, mayBeUnknown: one.knownAs === null };
        await sendLeave(leave).catch((error: unknown) => {
          keep(leave);
          throw error;
        });
      });
      const failed = (await Promise.allSettled(sends)).find((result) => result.status === "rejected");
      if (failed) throw failed.reason;
    },
    end: (user, connection, graceMs) => sendLeave({ user, connection, graceMs }),
    resendAll() {
      mustResend = true;
    },
    resendAndAnnounceAll() {
      mustResend = true;
      mayHaveEvicted = true;
    },
    mayLackConnections,
    isInSync: () => !mayLackConnections() && pendingLeaves.size === 0,
    isFlushed: () => !mustResend && pendingJoins.size === 0 && pendingLeaves.size === 0,
    async flush() {
      // A second flush would announce the same users again.
      if (running) return running.then(() => []);
      running = flushAll();
      try {
        return await running;
      } finally {
        running = null;
      }
    },
  };
}
