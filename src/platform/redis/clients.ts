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

/** How long a client waits before it tries to connect again. */
const retry = (times: number) => Math.min(times * 100, 1_000);

/** Connects to one Redis, to a cluster, or to the master that Sentinels tell; goes on trying for ever. */
export function connect(
  address: RedisAddress,
  options: ClientOptions,
  clusterOptions: ClusterOptions,
): Redis | Cluster {
  const { hosts, isTls, user, database, sentinel } = address;
  // Host names are verified, as Node.js does by itself.
  const tls = isTls ? { tls: {} } : {};
  const nodeOptions = {
    ...options,
    ...user,
    ...tls,
    connectTimeout: CONNECT_WITHIN_MS,
    // What it would tell needs rights of its own, and a Redis >= 7.2.
    disableClientInfo: true,
  };
  if (hosts.length > 1 && !sentinel) {
    const Client = clusterOptions.shardedSubscribers ? SubscriberCluster : Cluster;
    return new Client(hosts, {
      clusterRetryStrategy: retry,
      enableOfflineQueue: options.enableOfflineQueue ?? true,
      // ioredis would connect to the addresses behind the names, which are in no certificate.
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
    // Another one is the master now, behind the same name: who connects again gets there.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  });
}

/** A Cluster whose subscriptions come back whatever happens. */
class SubscriberCluster extends Cluster {
  #nextRefreshAt = 0;

  /** In the middle of connecting, ioredis would end that, and then not connect again. */
  override disconnect(reconnect = false): void {
    if (reconnect && this.status !== "ready" && this.status !== "connect") return;
    super.disconnect(reconnect);
    // It would also wait for ever for a connection that was being made to one of the masters.
    const { shardedSubscribers } = this as unknown as { shardedSubscribers?: { isResetting: boolean } };
    if (shardedSubscribers) shardedSubscribers.isResetting = false;
  }

  /** While a node is away, ioredis would look for it a hundred times a second. */
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

/** Calls `listener` each time a subscriber is back after it, or a node of its cluster, was away. */
export function listenForRestored(subscriber: Redis | Cluster, listener: () => void): void {
  if (subscriber instanceof Redis) {
    // The first "ready" is over; ioredis asks for its subscriptions before it says the next ones.
    subscriber.on("ready", listener);
    return;
  }
  // A cluster stays "ready" while one of its nodes is away: its connections tell.
  let isBroken = false;
  let hasFailed = false;
  subscriber.on("-node", () => {
    isBroken = true;
  });
  subscriber.on("error", () => {
    hasFailed = true;
  });
  // After every try to connect to all nodes, whether it failed or not.
  subscriber.on("subscribersReady", async () => {
    const isConnected = isBroken && !hasFailed;
    hasFailed = false;
    if (!isConnected) return;
    isBroken = false;
    // A node that comes back passes messages on at once, but answers commands only after some seconds.
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
