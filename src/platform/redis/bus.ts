import { randomUUID } from "node:crypto";
import { type Cluster, Redis } from "ioredis";
import { type AdapterOption, createRedisAdapter } from "../engine/redis-adapter.ts";
import { after, within } from "../time.ts";
import type { RedisAddress } from "./address.ts";
import { startCanary } from "./canary.ts";
import { ANSWER_WITHIN_MS, connect, listenForRestored } from "./clients.ts";
import { createExplain } from "./explain.ts";
import { followMaster } from "./sentinels.ts";

/** Fan-out between processes. It may lose messages: the database has them all. */
export type Bus = {
  /** The id of this process, without spaces or line breaks. */
  id: string;
  /**
   * Publishes to all processes that have subscribed to a channel, including this one. A message that can't be sent is
   * lost. Resolves after Redis's answer, or after a second without one. Never rejects.
   */
  publish(channel: string, message: string): Promise<void>;
  subscribe(channel: string): void;
  unsubscribe(channel: string): void;
  /** Calls the one `listener` with each message of a subscribed channel. */
  onMessage(listener: (channel: string, message: Buffer) => void): void;
  /** For requests to connections rather than to people: closing them on any process. */
  adapter: AdapterOption;
  /** For presence and limits. Commands fail after a second without an answer. */
  redis: Redis | Cluster;
  /** The same for the lease alone, so that a renewal waits behind no other command. */
  leaseRedis: Redis | Cluster;
  /** Resolves when all subscriptions so far are active, or after a second without an answer. */
  subscribed(): Promise<void>;
  /** Whether messages come through at the moment. */
  isUp(): boolean;
  /** How long this process's last message to itself took; 0 while none comes through. */
  lagMs(): number;
  /** Calls the one `listener` each time the bus is back. Messages in both directions were lost meanwhile. */
  onRestored(listener: () => unknown): void;
  close(): Promise<void>;
};

/** How long a start waits for Redis. Afterwards the process starts without it. */
const READY_WITHIN_MS = 5_000;
/** The pause before a refused subscription is tried again. */
const RETRY_MS = 1_000;
/** Commands notice when slots move to another node. A subscriber sends none, so it has to look. */
const SUBSCRIBING = { shardedSubscribers: true, slotsRefreshInterval: 2_000 };

type BusOptions = {
  onFault: (error: unknown) => void;
  /** Called for each message that couldn't be sent, together with `onFault`. */
  onLost: () => void;
  onLag: (seconds: number) => void;
};

/** Connects to Redis (>= 7). Never rejects: it goes on trying. */
export async function connectBus(address: RedisAddress, { onFault, onLost, onLag }: BusOptions): Promise<Bus> {
  // Without the offline queue, commands fail at once while Redis is away. The adapter ignores its promises, so a later
  // rejection of a queued command would be unhandled and end the process.
  const [commands, leaseRedis] = [0, 1].map(() =>
    connect(
      address,
      {
        ...{ enableOfflineQueue: false, enableAutoPipelining: true, commandTimeout: ANSWER_WITHIN_MS },
        // Closes a connection without answers, so that commands fail at once.
        socketTimeout: 2 * ANSWER_WITHIN_MS,
      },
      // A few attempts cover a moved slot or a new connection. They shouldn't cover a cluster that is down.
      { maxRedirections: 5, retryDelayOnClusterDown: 0 },
    ),
  ) as [Redis | Cluster, Redis | Cluster];
  // The subscriber never gives up, and renews its subscriptions by itself.
  const subscriber = connect(address, { maxRetriesPerRequest: null }, SUBSCRIBING);
  const stopFollowing = followMaster(
    address,
    [commands, leaseRedis, subscriber].filter((client) => client instanceof Redis),
  );
  const explain = createExplain(address);
  for (const client of [commands, leaseRedis, subscriber]) {
    client.on("error", (error: Error) => void explain(error).then(onFault));
  }

  const ready = [commands, leaseRedis, subscriber].map(
    (client) => new Promise((resolve) => client.once("ready", resolve)),
  );
  await within(READY_WITHIN_MS, Promise.all(ready));

  const isUp = () => commands.status === "ready" && canary.isReceiving();
  let restored: () => unknown = () => {};
  /** Messages may have been lost since the last call of `restored`. */
  let isStale = false;
  const canary = startCanary({
    ...{ commands, subscriber, onFault },
    onBeat() {
      if (!isUp()) isStale = true;
    },
    onReceived(lagSeconds) {
      onLag(lagSeconds);
      if (!isStale || !isUp()) return;
      isStale = false;
      // In a promise, so that an error of the listener doesn't count as an error of this message.
      Promise.resolve().then(restored).catch(onFault);
    },
    onSilent: () => onFault(new Error("Redis delivers nothing: connecting and subscribing again")),
  });
  listenForRestored(subscriber, () => {
    isStale = true;
  });

  const lose = (error: unknown) => {
    onLost();
    onFault(error);
  };
  const wanted = new Set<string>();
  /** ioredis renews successful subscriptions by itself, but doesn't retry refused ones. */
  async function request(channel: string, isFirst = true): Promise<void> {
    try {
      await subscriber.ssubscribe(channel);
      // Messages before this were lost.
      if (!isFirst) isStale = true;
    } catch (error) {
      onFault(error);
      after(RETRY_MS, () => wanted.has(channel) && request(channel, false), onFault);
    }
  }
  let subscriptions = Promise.resolve();
  function subscribe(channel: string): void {
    wanted.add(channel);
    const subscription = request(channel);
    const before = subscriptions;
    subscriptions = subscription.then(() => before);
  }
  function unsubscribe(channel: string): void {
    wanted.delete(channel);
    subscriber.sunsubscribe(channel).catch(onFault);
  }

  return {
    id: randomUUID(),
    publish: (channel, message) => commands.spublish(channel, message).then(() => {}, lose),
    ...{ subscribe, unsubscribe },
    onMessage(listener) {
      // As buffers, because for a listener of strings ioredis would decode every message.
      subscriber.on("smessageBuffer", (channel: Buffer, message: Buffer) => listener(channel.toString(), message));
    },
    adapter: createRedisAdapter({
      // Not awaited, because delivery on this process must not wait for Redis.
      publish: (channel, message) => void commands.spublish(channel, message).catch(lose),
      ...{ subscribe, unsubscribe },
      onMessage: (listener) => void subscriber.on("smessageBuffer", listener),
    }),
    redis: commands,
    leaseRedis,
    // Doesn't wait while the bus is down, because its messages come from the database then.
    async subscribed() {
      if (isUp()) await within(ANSWER_WITHIN_MS, subscriptions);
    },
    isUp,
    lagMs: canary.lagMs,
    onRestored(listener) {
      restored = listener;
    },
    async close() {
      canary.stop();
      wanted.clear();
      stopFollowing();
      commands.disconnect();
      leaseRedis.disconnect();
      subscriber.disconnect();
    },
  };
}
