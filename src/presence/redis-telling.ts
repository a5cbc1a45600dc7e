import type { Cluster, Redis } from "ioredis";
import type { UserRef } from "../identity/user-ref.ts";
import { chunks } from "../platform/chunks.ts";
import { gathered } from "../platform/gather.ts";
import { keyOf } from "./presence.ts";
import { hashOf, ORGANISATIONS, type WithScripts } from "./redis-scripts.ts";

/** How many connections are told at once. */
export const CHUNK = 200;
/** So many leaves are kept while Redis is away. A leave beyond them is found when connections are compared with Redis. */
const MAX_LEAVES = 20_000;

/**
 * `told` is the process's name under which Redis has answered that it knows the connection. `isSent` says that Redis may know
 * it: an answer may have got lost.
 */
type Own = { user: UserRef; told: string | null; isSent: boolean };
/** `isUntold`: Redis may never have known the connection. */
type Leave = { user: UserRef; connection: string; graceMs: number; isUntold?: boolean };

export type Telling = {
  /** This process's connections. */
  own: ReadonlyMap<string, Own>;
  /** Answers whether the user came online with it. What rejects is told again by `tellRest`. */
  join(user: UserRef, id: string): Promise<boolean>;
  /** What rejects is told again by `tellRest`. */
  leave(user: UserRef, id: string | "all", graceMs: number): Promise<void>;
  /** Says of a connection that this process doesn't have that it is lost. */
  end(user: UserRef, connection: string, graceMs: number): Promise<unknown>;
  /** Redis may have forgotten everything: `tellRest` tells all connections again. */
  forget(): void;
  /** Others may have let this process's users leave. */
  doubt(): void;
  /** Whether Redis may lack connections of this process. */
  isBehind(): boolean;
  /** Whether Redis knows all of this process, its lost connections as well; but for what Redis refuses. */
  isWhole(): boolean;
  /** Whether anything is still to be told. */
  isDone(): boolean;
  /** Tells what is still to be told, in chunks. Answers who came online by it. Never runs twice at once. */
  tellRest(): Promise<UserRef[]>;
};

type Options = {
  client: Redis | Cluster;
  redis: WithScripts;
  /** The process's name at the moment. */
  name: () => string;
  /** Called for an organisation that Redis refuses, whatever it does for the others. */
  onRefused: (error: unknown) => void;
};

/** A wrong kind of value in an organisation's place is no outage: trying again helps nobody, and keeps up nobody else. */
export const isPoison = (error: unknown): boolean => error instanceof Error && error.message.startsWith("WRONGTYPE");

const nameOf = (process: string, id: string) => `${process}/${id}`;
const notConnected = () => new Error("Redis isn't connected");

/** Tells Redis of this process's connections, and what an outage has kept it from telling. */
export function createTelling({ client, redis, name, onRefused }: Options): Telling {
  const own = new Map<string, Own>();
  /** Connections of which Redis may not know. */
  const untold = new Set<string>();
  /** Those among them that Redis refuses for what is in their organisation's place. */
  const refused = new Set<string>();
  const leaves = new Map<string, Leave>();
  let isForgotten = false;
  let mayHaveLeft = false;
  let running: Promise<UserRef[]> | null = null;

  /** ioredis would refuse the command: so it is certain that Redis never gets it. */
  const isAway = () => client.options.enableOfflineQueue === false && client.status !== "ready";

  /**
   * Answers for each whether its user came online with it, or why Redis wasn't told. Sends its commands before it first
   * waits, so that a later leave comes later at Redis as well; those that are gone already are left out.
   */
  async function tellJoins(ids: string[]): Promise<(boolean | { error: unknown })[]> {
    const there = ids.filter((id) => own.has(id)).map((id) => ({ id, connection: own.get(id) as Own }));
    if (there.length === 0) return ids.map(() => false);
    if (isAway()) {
      for (const { id } of there) untold.add(id);
      return ids.map(() => ({ error: notConnected() }));
    }
    const byOrganisation = Map.groupBy(there, ({ connection }) => connection.user.organisationId);
    const outcomes = new Map<string, boolean | { error: unknown }>();
    const telling = [...byOrganisation].map(async ([organisationId, some]) => {
      const as = name();
      const data = some.flatMap(({ id, connection: { user, told } }) => {
        return [keyOf(user), nameOf(as, id), told === null || told === as ? "" : nameOf(told, id)];
      });
      for (const { connection } of some) connection.isSent = true;
      try {
        const listing = redis.sadd(ORGANISATIONS, organisationId);
        const [answers] = await Promise.all([redis.presenceJoin(hashOf(organisationId), ...data), listing]);
        some.forEach(({ id, connection }, index) => {
          connection.told = as;
          untold.delete(id);
          refused.delete(id);
          outcomes.set(id, answers[index] === 1);
        });
      } catch (error) {
        for (const { id } of some) {
          if (own.has(id)) untold.add(id);
          if (isPoison(error)) refused.add(id);
          outcomes.set(id, { error });
        }
      }
    });
    await Promise.all(telling);
    return ids.map((id) => outcomes.get(id) ?? false);
  }
  const tellJoin = gathered(tellJoins, CHUNK);

  const tellLeave = ({ user, connection, graceMs, isUntold }: Leave): Promise<unknown> =>
    isAway()
      ? Promise.reject(notConnected())
      : redis.presenceLeave(hashOf(user.organisationId), keyOf(user), connection, graceMs, isUntold ? 1 : 0);

  function keep(leave: Leave): void {
    const { user, connection } = leave;
    const key = connection === "all" ? `all ${keyOf(user)}` : connection;
    if (connection === "all" || leaves.size < MAX_LEAVES) leaves.set(key, leave);
  }

  async function tellRestOfJoins(): Promise<UserRef[]> {
    const cameOnline: UserRef[] = [];
    const failures: unknown[] = [];
    const poison: unknown[] = [];
    for (const chunk of chunks([...untold], CHUNK)) {
      // Whom Redis has known of before is announced only when others may have let him leave: a Redis that has merely lost
      // its data is no coming and going.
      const mayAnnounce = chunk.map((id) => own.get(id)).map((one) => mayHaveLeft || !one?.told);
      const users = chunk.map((id) => own.get(id)?.user);
      const outcomes = await tellJoins(chunk);
      outcomes.forEach((outcome, index) => {
        if (typeof outcome === "object") (isPoison(outcome.error) ? poison : failures).push(outcome.error);
        else if (outcome && mayAnnounce[index]) cameOnline.push(users[index] as UserRef);
      });
    }
    if (poison.length > 0) onRefused(poison[0]);
    if (failures.length > 0) throw failures[0];
    return cameOnline;
  }

  async function tellRestOfLeaves(): Promise<void> {
    const failures: unknown[] = [];
    const poison: unknown[] = [];
    for (const chunk of chunks([...leaves], CHUNK)) {
      const results = await Promise.allSettled(chunk.map(([, leave]) => tellLeave(leave)));
      results.forEach((result, index) => {
        const [key, leave] = chunk[index] as [string, Leave];
        const isRefused = result.status === "rejected" && isPoison(result.reason);
        if (result.status === "rejected") (isRefused ? poison : failures).push(result.reason);
        // It may have been said anew meanwhile.
        if ((isRefused || result.status === "fulfilled") && leaves.get(key) === leave) leaves.delete(key);
      });
    }
    if (poison.length > 0) onRefused(poison[0]);
    if (failures.length > 0) throw failures[0];
  }

  async function tell(): Promise<UserRef[]> {
    const as = name();
    if (isForgotten) {
      for (const id of own.keys()) untold.add(id);
      isForgotten = false;
    }
    const cameOnline = await tellRestOfJoins();
    // The lease may have ended again meanwhile.
    if (name() === as) mayHaveLeft = false;
    await tellRestOfLeaves();
    return cameOnline;
  }

  const isBehind = () => (isForgotten && own.size > 0) || untold.size > refused.size;

  return {
    own,
    async join(user, id) {
      own.set(id, { user, told: null, isSent: false });
      const outcome = await tellJoin(id);
      if (typeof outcome === "object") throw outcome.error;
      return outcome;
    },
    async leave(user, id, graceMs) {
      if (id === "all") {
        const leave = { user, connection: id, graceMs };
        await tellLeave(leave).catch((error: unknown) => {
          keep(leave);
          throw error;
        });
        return;
      }
      const one = own.get(id);
      own.delete(id);
      untold.delete(id);
      refused.delete(id);
      // Nobody has ever told of it, or it came and went while Redis was away and leaves no grace behind.
      if (!one || !(one.isSent || graceMs > 0)) return;
      // While it is told again it may be known by either of two names.
      const telling = [...new Set([one.told ?? name(), name()])].map(async (process) => {
        const leave = { user, connection: nameOf(process, id), graceMs, isUntold: one.told === null };
        await tellLeave(leave).catch((error: unknown) => {
          keep(leave);
          throw error;
        });
      });
      const failed = (await Promise.allSettled(telling)).find((result) => result.status === "rejected");
      if (failed) throw failed.reason;
    },
    end: (user, connection, graceMs) => tellLeave({ user, connection, graceMs }),
    forget() {
      isForgotten = true;
    },
    doubt() {
      isForgotten = true;
      mayHaveLeft = true;
    },
    isBehind,
    isWhole: () => !isBehind() && leaves.size === 0,
    isDone: () => !isForgotten && untold.size === 0 && leaves.size === 0,
    async tellRest() {
      // Who is announced is announced once.
      if (running) return running.then(() => []);
      running = tell();
      try {
        return await running;
      } finally {
        running = null;
      }
    },
  };
}
