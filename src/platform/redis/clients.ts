import { setTimeout as delay } from "node:timers/promises";
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from "ioredis";
import { after, toLastLine } from "../time.ts";
import type { RedisAddress } from "./address.ts";

type ClientOptions = Pick<
  RedisOptions,
  "enableOfflineQueue" | "commandTimeout" | "socketTimeout" | "enableAutoPipelining" | "maxRetriesPerRequest"
>;

const CONNECT_WITHIN_MS = 2_000;
/** A Redis that takes longer counts as away. */
export const ANSWER_WITHIN_MS = 1_000;

/** The pause before the next attempt to connect. */
const retry = (times: number) => Math.min(times * 100, 1_000);

/** Connects to one Redis, to a cluster, or to the master that Sentinels name. Retries for ever. */
export function connect(
  address: RedisAddress,
  options: ClientOptions,
  clusterOptions: ClusterOptions,
): Redis | Cluster {
  const { hosts, isTls, user, database, sentinel } = address;
  // By default Node.js verifies host names.
  const tls = isTls ? { tls: {} } : {};
  const nodeOptions = {
    ...options,
    ...user,
    ...tls,
    connectTimeout: CONNECT_WITHIN_MS,
    // CLIENT SETINFO needs an extra right, and Redis >= 7.2.
    disableClientInfo: true,
  };
  if (hosts.length > 1 && !sentinel) {
    const Client = clusterOptions.shardedSubscribers ? SubscriberCluster : Cluster;
    return new Client(hosts, {
      clusterRetryStrategy: retry,
      enableOfflineQueue: options.enableOfflineQueue ?? true,
      // ioredis would connect to the resolved addresses, which certificates don't contain.
      ...(isTls && { dnsLookup: (host, callback) => callback(null, host) }),
      ...clusterOptions,
      redisOptions: nodeOptions,
    });
  }
  return new Redis({
    ...nodeOptions,
    ...(sentinel ? { sentinels: hosts, name: sentinel.master } : (hosts[0] as RedisAddress["hosts"][0])),
    ...(sentinel?.user.username && { sentinelUsername: sentinel.user.username }),
    ...(sentinel?.user.password && { sentinelPassword: sentinel.user.password }),
    ...(isTls && { sentinelTLS: {}, enableTLSForSentinelMode: true }),
    sentinelCommandTimeout: ANSWER_WITHIN_MS,
    sentinelRetryStrategy: retry,
    db: database,
    retryStrategy: retry,
    // After a fail-over behind the same name, a new connection reaches the new master.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  });
}

/** A Cluster whose subscriptions always come back. It works around faults of ioredis. */
class SubscriberCluster extends Cluster {
  #nextRefreshAt = 0;

  /** During a connect, ioredis would cancel it and never connect again. */
  override disconnect(reconnect = false): void {
    if (reconnect && this.status !== "ready" && this.status !== "connect") return;
    super.disconnect(reconnect);
    // Otherwise it would wait for ever for an unfinished connection to one of the masters.
    const { shardedSubscribers } = this as unknown as { shardedSubscribers?: { isResetting: boolean } };
    if (shardedSubscribers) shardedSubscribers.isResetting = false;
  }

  /** While a node is away, ioredis would refresh a hundred times a second. */
  override refreshSlotsCache(callback?: (error?: Error | null) => void): void {
    const waitMs = this.#nextRefreshAt - performance.now();
    if (waitMs > 0) {
      after(
        waitMs,
        () => super.refreshSlotsCache(callback),
        (error) => (callback ?? toLastLine)(error as Error),
      );
      return;
    }
    this.#nextRefreshAt = performance.now() + 500;
    super.refreshSlotsCache(callback);
  }
}

/** Calls `listener` each time a subscriber is back after an outage of itself, or of a node of its cluster. */
export function listenForRestored(subscriber: Redis | Cluster, listener: () => void): void {
  if (subscriber instanceof Redis) {
    // The first "ready" is over. ioredis renews the subscriptions before each later one.
    subscriber.on("ready", listener);
    return;
  }
  // A cluster stays "ready" while a node is away, so watch the connections.
  let isBroken = false;
  let hasFailed = false;
  subscriber.on("-node", () => {
    isBroken = true;
  });
  subscriber.on("error", () => {
    hasFailed = true;
  });
  // Emitted after every attempt to connect to all nodes, even a failed one.
  subscriber.on("subscribersReady", async () => {
    const isConnected = isBroken && !hasFailed;
    hasFailed = false;
    if (!isConnected) return;
    isBroken = false;
    // A node that comes back forwards messages at once, but answers commands only after some seconds.
    while (!(await isUp(subscriber))) await delay(200);
    listener();
  });
}

async function isUp(cluster: Cluster): Promise<boolean> {
  try {
    const infos = await Promise.all(cluster.nodes("master").map((node) => node.cluster("INFO")));
    return infos.every((info) => info.includes("cluster_state:ok"));
  } catch {
    return false;
  }
}
