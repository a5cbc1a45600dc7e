import type { Cluster, Redis } from "ioredis";
import type { UserRef } from "../identity/user-ref.ts";
import { batched } from "../platform/batches/batch.ts";
import { chunks } from "../platform/chunks.ts";
import { keyOf } from "./presence.ts";
import { createLeaves } from "./redis-leaves.ts";
import { CHUNK, hashOf, isPoison, notConnected, ORGANISATIONS, type WithScripts } from "./redis-scripts.ts";

/**
 * `knownAs`: the process name under which Redis has confirmed the connection; null before that. `isSent`: Redis may know
 * the connection, also when its answer was lost.
 */
type Own = { user: UserRef; knownAs: string | null; isSent: boolean };

export type OwnConnections = {
  /** This process's connections. */
  own: ReadonlyMap<string, Own>;
  /** Answers whether the user came online. After a rejection `flush` sends the join again. */
  join(user: UserRef, id: string): Promise<boolean>;
  /** After a rejection `flush` sends the leave again. */
  leave(user: UserRef, id: string | "all", graceMs: number): Promise<void>;
  /** Reports the loss of a connection that this process doesn't have. */
  end(user: UserRef, connection: string, graceMs: number): Promise<unknown>;
  /** Redis may have lost everything: the next `flush` sends all connections and the latest leaves. */
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

const nameOf = (process: string, id: string) => `${process}/${id}`;

/** Sends this process's connections to Redis, and keeps the changes that are pending during an outage. */
export function createOwnConnections({ client, redis, name, onRefused }: Options): OwnConnections {
  const own = new Map<string, Own>();
  /** Connections that Redis may lack. */
  const pendingJoins = new Set<string>();
  /** The pending joins that Redis refuses, because their organisation's key has a wrong type. */
  const refused = new Set<string>();
  let mustResend = false;
  let mayHaveEvicted = false;
  let running: Promise<UserRef[]> | null = null;

  /** ioredis would refuse the command, so Redis certainly never receives it. */
  const isAway = () => client.options.enableOfflineQueue === false && client.status !== "ready";
  const leaves = createLeaves({ redis, isAway, onRefused });

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
  const sendJoin = batched(sendJoins, { maxSize: CHUNK });

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

  async function flushAll(): Promise<UserRef[]> {
    const as = name();
    if (mustResend) {
      for (const id of own.keys()) pendingJoins.add(id);
      mustResend = false;
    }
    const cameOnline = await flushJoins();
    // The lease may have ended again meanwhile.
    if (name() === as) mayHaveEvicted = false;
    await leaves.flush();
    return cameOnline;
  }

  function resendAll(): void {
    mustResend = true;
    leaves.resend();
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
        await leaves.send({ user, connection: id, graceMs });
        return;
      }
      const one = own.get(id);
      own.delete(id);
      pendingJoins.delete(id);
      refused.delete(id);
      // Redis never received this connection, or it came and went while Redis was away and needs no grace period.
      if (!one || !(one.isSent || graceMs > 0)) return;
      // During a resend Redis may know the connection by either of two names.
      const sends = [...new Set([one.knownAs ?? name(), name()])].map((process) =>
        leaves.send({ user, connection: nameOf(process, id), graceMs, mayBeUnknown: one.knownAs === null }),
      );
      const failed = (await Promise.allSettled(sends)).find((result) => result.status === "rejected");
      if (failed) throw failed.reason;
    },
    end: (user, connection, graceMs) => leaves.send({ user, connection, graceMs }),
    resendAll,
    resendAndAnnounceAll() {
      resendAll();
      mayHaveEvicted = true;
    },
    mayLackConnections,
    isInSync: () => !mayLackConnections() && leaves.pendingCount() === 0,
    isFlushed: () => !mustResend && pendingJoins.size === 0 && leaves.pendingCount() === 0,
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
