import { setTimeout as delay } from "node:timers/promises";
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from "ioredis";

type ClientOptions = Pick<
  RedisOptions,
  "enableOfflineQueue" | "commandTimeout" | "socketTimeout" | "enableAutoPipelining" | "maxRetriesPerRequest"
>;

const CONNECT_WITHIN_MS = 2_000;

/** Connects to one Redis, or to a cluster when there are several URLs; goes on trying for ever. */
export function connect(urls: string[], options: ClientOptions, clusterOptions: ClusterOptions): Redis | Cluster {
  const retry = (times: number) => Math.min(times * 100, 1_000);
  const [first, ...others] = urls as [string, ...string[]];
  if (others.length === 0)
    return new Redis(first, { retryStrategy: retry, connectTimeout: CONNECT_WITHIN_MS, ...options });
  const { protocol, username, password } = new URL(first);
  const Client = clusterOptions.shardedSubscribers ? SubscriberCluster : Cluster;
  return new Client(urls, {
    clusterRetryStrategy: retry,
    enableOfflineQueue: options.enableOfflineQueue ?? true,
    ...clusterOptions,
    redisOptions: {
      ...options,
      connectTimeout: CONNECT_WITHIN_MS,
      // Also for the nodes that aren't among the URLs.
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
      ...(protocol === "rediss:" && { tls: {} }),
    },
  });
}

/** While a node is away, ioredis would look for it a hundred times a second. */
class SubscriberCluster extends Cluster {
  #nextRefreshAt = 0;

  override refreshSlotsCache(callback?: (error?: Error | null) => void): void {
    const waitMs = this.#nextRefreshAt - performance.now();
    if (waitMs > 0) {
      setTimeout(() => super.refreshSlotsCache(callback), waitMs);
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
  const states = cluster.nodes("master").map((node) => node.cluster("INFO"));
  return Promise.all(states).then(
    (infos) => infos.every((info) => info.includes("cluster_state:ok")),
    () => false,
  );
}
