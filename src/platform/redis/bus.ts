import { randomUUID } from "node:crypto";
import { type Cluster, Redis } from "ioredis";
import { type AdapterOption, createRedisAdapter } from "../engine/redis-adapter.ts";
import { after, within } from "../time.ts";
import type { RedisAddress } from "./address.ts";
import { startCanary } from "./canary.ts";
import { ANSWER_WITHIN_MS, connect, listenForRestored } from "./clients.ts";
import { createExplain } from "./explain.ts";
import { followMaster } from "./sentinels.ts";

/** Fan-out between processes. It is a hint, not the truth: what it loses, the database still has. */
export type Bus = {
  /** This process's own, without spaces or line breaks. */
  id: string;
  /**
   * Sends to the processes that have subscribed to a channel, this one too. What it can't send is lost. Resolves when
   * Redis has answered, or isn't waited for any more.
   */
  publish(channel: string, message: string): Promise<void>;
  subscribe(channel: string): void;
  unsubscribe(channel: string): void;
  /** Calls the one `listener` with each message of a subscribed channel. */
  onMessage(listener: (channel: string, message: Buffer) => void): void;
  /** For what is for connections rather than for people: closing them, wherever they are. */
  adapter: AdapterOption;
  /** For presence and limits: commands fail after a second rather than wait. */
  redis: Redis | Cluster;
  /** The same for the lease alone: a renewal stands behind no other command. */
  leaseRedis: Redis | Cluster;
  /** Resolves when every subscription asked for so far is in force, or after a second without an answer. */
  subscribed(): Promise<void>;
  /** Whether messages get through at the moment. */
  isUp(): boolean;
  /** How long the last message took that this process sent itself; 0 while none gets through. */
  lagMs(): number;
  /** Calls the one `listener` each time the bus is back: what was sent meanwhile didn't come in here, or didn't go out. */
  onRestored(listener: () => unknown): void;
  close(): Promise<void>;
};

/** How long a start waits for Redis; it then goes on without, until Redis is there. */
const READY_WITHIN_MS = 5_000;
/** When what Redis has refused is asked for again. */
const RETRY_MS = 1_000;
/** Commands learn by themselves when slots have moved to another node. Who only listens has to ask. */
const SUBSCRIBING = { shardedSubscribers: true, slotsRefreshInterval: 2_000 };

type BusOptions = {
  onFault: (error: unknown) => void;
  /** Called for each message that could not be sent, beside `onFault`. */
  onLost: () => void;
  onLag: (seconds: number) => void;
};

/** Connects to Redis (>= 7). Never fails: it goes on trying. */
export async function connectBus(address: RedisAddress, { onFault, onLost, onLag }: BusOptions): Promise<Bus> {
  // The publisher and the commands fail at once while Redis is away: ioredis would otherwise queue them, and the
  // adapter, which drops its promises, would end the process by an unhandled rejection.
  const [commands, leaseRedis] = [0, 1].map(() =>
    connect(
      address,
      {
        ...{ enableOfflineQueue: false, enableAutoPipelining: true, commandTimeout: ANSWER_WITHIN_MS },
        // A Redis that answers nothing is then like one that isn't there: commands fail at once.
        socketTimeout: 2 * ANSWER_WITHIN_MS,
      },
      // A few tries, for a slot that has moved or a connection that is being made: not for a cluster that is down.
      { maxRedirections: 5, retryDelayOnClusterDown: 0 },
    ),
  ) as [Redis | Cluster, Redis | Cluster];
  // The subscriber never gives up, and subscribes again by itself.
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

  const isUp = () => commands.status === "ready" && canary.isHeard();
  let restored: () => unknown = () => {};
  /** Something may have been lost since the last time that `restored` was called. */
  let isStale = false;
  const canary = startCanary({
    ...{ commands, subscriber, onFault },
    onBeat() {
      if (!isUp()) isStale = true;
    },
    onHeard(lagSeconds) {
      onLag(lagSeconds);
      if (!isStale || !isUp()) return;
      isStale = false;
      // In a turn of its own: what it throws or rejects with is no fault of what came in.
      Promise.resolve().then(restored).catch(onFault);
    },
    onSilent: () => onFault(new Error("Nothing comes in through Redis: its subscriptions are made anew")),
  });
  listenForRestored(subscriber, () => {
    isStale = true;
  });

  const lose = (error: unknown) => {
    onLost();
    onFault(error);
  };
  const wanted = new Set<string>();
  /** ioredis subscribes again by itself to what it has subscribed to once, but not to what was refused. */
  async function ask(channel: string, isFirst = true): Promise<void> {
    try {
      await subscriber.ssubscribe(channel);
      // What was sent until now didn't come in.
      if (!isFirst) isStale = true;
    } catch (error) {
      onFault(error);
      after(RETRY_MS, () => wanted.has(channel) && ask(channel, false), onFault);
    }
  }
  let subscriptions = Promise.resolve();
  function subscribe(channel: string): void {
    wanted.add(channel);
    const subscription = ask(channel);
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
      // As buffers: for a listener of texts ioredis would decode all that comes in.
      subscriber.on("smessageBuffer", (channel: Buffer, message: Buffer) => listener(channel.toString(), message));
    },
    adapter: createRedisAdapter({
      // Delivery on this process doesn't wait for Redis, and goes on without it.
      publish: (channel, message) => void commands.spublish(channel, message).catch(lose),
      ...{ subscribe, unsubscribe },
      onMessage: (listener) => void subscriber.on("smessageBuffer", listener),
    }),
    redis: commands,
    leaseRedis,
    // Nobody waits for a bus that is down: what it would have brought comes from the database.
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
