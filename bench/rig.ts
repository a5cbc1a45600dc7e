// Everything that a measurement needs: servers of its own, pods, and people.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { migrate } from "../src/platform/postgres/migrate.ts";
import {
  callRedis,
  databaseUrl,
  findRedis,
  type OwnPostgres,
  type RedisServer,
  runSql,
  startOwnPostgres,
  startRedisFrom,
} from "../test/support/servers.ts";
import { type CpuTime, callsOf, cpuOf, cpuOfTree } from "./cpu.ts";
import { type Load, startLoad } from "./load/load.ts";
import { type Candidate, type Pod, startPod } from "./pods.ts";
import { createWorld, partOf, type World } from "./world.ts";

export type CpuTimes = Record<"pods" | "postgres" | "redis" | "load", CpuTime>;

/** The pods of one candidate, with a Redis that had nothing in it when they started. */
export type Cluster = {
  candidate: Candidate;
  pods: Pod[];
  databaseUrl: string;
  /** Connects all people of as many organisations as there are pods. */
  startLoad(): Promise<Load>;
  /** The CPU time of all processes so far. */
  cpu(): CpuTimes;
  /** How often the pods have read or written so far. */
  podCalls(): number;
  stop(): Promise<void>;
};

/** `cpuProf` is a folder for the CPU profiles of the pods, if they are ours. */
export type ClusterOptions = { databaseUrl?: string; cpuProf?: string | undefined };

export type Rig = {
  world: World;
  postgres: OwnPostgres;
  redis: RedisServer;
  /** Creates a database with the world's people and chats, and nothing else; answers its URL. */
  createDatabase(): Promise<string>;
  dropDatabase(url: string): Promise<void>;
  /** Starts pods on a new database, or on the given one. Only one cluster may run, because its start empties Redis. */
  startCluster(candidate: Candidate, pods: number, options?: ClusterOptions): Promise<Cluster>;
  close(): Promise<void>;
};

const TEMPLATE = "world";

type RigOptions = {
  /** The largest number of pods. The load grows by one organisation for each pod. */
  maxPods: number;
  cpuProf?: string | undefined;
};

export async function startRig({ maxPods, cpuProf }: RigOptions): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  const worldFile = join(folder, "world.json");
  const partFile = (count: number) => join(folder, `world-${count}.json`);
  if (cpuProf !== undefined) mkdirSync(cpuProf, { recursive: true });
  const [postgres, redis] = await Promise.all([startOwnPostgres(), startRedisFrom(findRedis())]);
  const podOptions = (candidate: Candidate, url: string, cpuProfDir?: string) => ({
    ...{ candidate, worldFile, databaseUrl: url, redisUrl: redis.url, dataDir: join(folder, "data") },
    cpuProf: cpuProfDir && resolve(cpuProfDir),
  });
  const close = async () => {
    await Promise.all([postgres.remove(), redis.stop()]);
    rmSync(folder, { recursive: true, force: true });
  };

  const makeWorld = async () => {
    await runSql(postgres.url, `CREATE DATABASE ${TEMPLATE}`);
    const url = databaseUrl(postgres.url, TEMPLATE);
    await migrate(url);
    const pod = await startPod(podOptions("ours", url));
    const world = await createWorld(url, pod.url, maxPods);
    // Kill the pod, so that it can't close any chat.
    await pod.stop("SIGKILL");
    await closeDatabase(postgres.url, TEMPLATE);
    writeFileSync(worldFile, JSON.stringify(world));
    for (let count = 1; count <= maxPods; count++) writeFileSync(partFile(count), JSON.stringify(partOf(world, count)));
    return world;
  };
  const world = await makeWorld().catch(async (error: Error) => {
    await close();
    throw error;
  });

  let databases = 0;
  const createDatabase = async () => {
    const name = `run_${++databases}`;
    await runSql(postgres.url, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
    return databaseUrl(postgres.url, name);
  };
  const dropDatabase = async (url: string) => {
    await runSql(postgres.url, `DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`);
  };
  return {
    ...{ world, postgres, redis, createDatabase, dropDatabase, close },
    async startCluster(candidate, count, given = {}) {
      await callRedis(redis.url, "FLUSHDB");
      const url = given.databaseUrl ?? (await createDatabase());
      // PostgreSQL writes the new database to disk now, because doing so later would disturb the measurement.
      await runSql(postgres.url, "CHECKPOINT");
      const one = podOptions(candidate, url, candidate === "ours" ? (given.cpuProf ?? cpuProf) : undefined);
      const pods = await Promise.all(Array.from({ length: count }, () => startPod(one)));
      let load: Load | undefined;
      return {
        ...{ candidate, pods, databaseUrl: url },
        async startLoad() {
          load = await startLoad(
            partFile(count),
            pods.map((pod) => pod.url),
          );
          return load;
        },
        cpu: () => ({
          pods: cpuOf(pods.map(({ pid }) => pid)),
          postgres: cpuOfTree(postgres.pid()),
          redis: redis.pid === undefined ? { user: Number.NaN, system: Number.NaN } : cpuOf([redis.pid]),
          load: cpuOf(load?.pids ?? []),
        }),
        podCalls: () => callsOf(pods.map(({ pid }) => pid)),
        async stop() {
          await load?.close();
          // Only a process that ends by itself writes its profile.
          await Promise.all(pods.map((pod) => pod.stop(one.cpuProf ? "SIGTERM" : "SIGKILL")));
          if (given.databaseUrl === undefined) await dropDatabase(url);
        },
      };
    },
  };
}

/** PostgreSQL copies only a database that nobody is connected to. */
async function closeDatabase(adminUrl: string, name: string): Promise<void> {
  await runSql(adminUrl, `ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
  await runSql(adminUrl, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
}
