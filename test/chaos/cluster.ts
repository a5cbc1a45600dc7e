import { setTimeout as delay } from "node:timers/promises";
import { migrate } from "../../src/platform/postgres/migrate.ts";
import { type RedisSet, type RedisSetKind, startRedisSet } from "../support/redis-sets.ts";
import { type OwnPostgres, runSql, startOwnPostgres } from "../support/servers.ts";
import type { Ledger } from "./ledger.ts";
import { type Pod, startPod } from "./pods.ts";

/** Pods behind a stand-in of a load balancer, on a Redis and a PostgreSQL of their own. */
export type Cluster = {
  redis: RedisSet;
  postgres: OwnPostgres;
  /** The pods that run and didn't get a signal to stop. */
  pods(): Pod[];
  /** Where a client that connects now may go: the pods that say that they are ready, else all. */
  urls(): string[];
  nameOf(url: string): string;
  /** Sends a signal that ends a pod, and starts another in its place; resolves when that one is ready. */
  replace(pod: Pod, signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Ends all pods as an operator does. */
  stopPods(): Promise<void>;
  stop(): Promise<void>;
};

export type ClusterOptions = {
  redis: RedisSetKind;
  pods: number;
  env: Record<string, string>;
  folder: string;
  ledger: Ledger;
};

export async function startCluster({
  redis: kind,
  pods: count,
  env,
  folder,
  ledger,
}: ClusterOptions): Promise<Cluster> {
  const replicas = { node: 0, cluster: 1, sentinel: 2 }[kind];
  const [postgres, redis] = await Promise.all([startOwnPostgres(), startRedisSet(kind, { replicas })]);
  await migrate(postgres.url);
  const portOf = (url: string) => Number(new URL(url).port);
  const options = { env, folder, ledger, redis, postgresPort: portOf(postgres.url) };
  const started: Pod[] = [];
  // No pod outlives this process, however it ends.
  process.once("exit", () => {
    for (const pod of started) pod.signal("SIGKILL");
  });
  let names = 0;
  const ending = new Set<Pod>();
  const start = async (): Promise<Pod> => {
    const pod = await startPod(`pod${++names}`, options);
    started.push(pod);
    void pod.ended.then(() => {
      // It died: an orchestrator starts another.
      if (!ending.has(pod)) void start();
      ending.add(pod);
    });
    for (; !pod.isReady(); await delay(50)) {}
    return pod;
  };
  const pods = () => started.filter((pod) => !ending.has(pod));
  const end = (pod: Pod, signal: NodeJS.Signals) => {
    ending.add(pod);
    pod.signal(signal);
    return pod.ended;
  };
  const stopServers = () => Promise.all([redis.stop(), postgres.remove()]);

  try {
    for (let n = 0; n < count; n++) await start();
  } catch (error) {
    await Promise.all(started.map((pod) => end(pod, "SIGKILL")));
    await stopServers();
    throw error;
  }
  return {
    ...{ redis, postgres, pods },
    urls() {
      const ready = pods().filter((pod) => pod.isReady());
      return (ready.length > 0 ? ready : pods()).map(({ url }) => url);
    },
    nameOf: (url) => started.find((pod) => pod.url === url)?.name ?? "?",
    async replace(pod, signal) {
      void end(pod, signal);
      await start();
    },
    async stopPods() {
      await Promise.all(pods().map((pod) => end(pod, "SIGTERM")));
    },
    async stop() {
      await Promise.all(started.map((pod) => end(pod, "SIGKILL")));
      await stopServers();
    },
  };
}

/** Ends every connection to the database but the asking one. */
export const killConnections = (postgres: OwnPostgres) =>
  runSql(
    postgres.url,
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
  );
