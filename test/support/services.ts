// The parts of the run's servers that a test file gets: see global-setup.ts.
import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import { type RedisCluster, startRedisClusterFrom } from "./redis-cluster.ts";
import { databaseUrl, type RedisServer, runSql, startRedisFrom } from "./servers.ts";

/**
 * A Redis of the caller's own. With TEST_REDIS_URL every caller gets that server, its database flushed: keys and
 * channels are then shared, so run the tests with --no-file-parallelism.
 */
export const startRedis = (): Promise<RedisServer> => startRedisFrom(inject("redis"));

export const startRedisCluster = (): Promise<RedisCluster> => startRedisClusterFrom(inject("redis"));

/** A fresh, migrated database. `drop` also cuts the connections that are still open to it. */
export async function createDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  const { adminUrl, template } = inject("databases");
  const name = `${template}_${randomBytes(6).toString("hex")}`;
  await copyDatabase(adminUrl, template, name);
  const drop = async () => {
    await runSql(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  };
  return { url: databaseUrl(adminUrl, name), drop };
}

async function copyDatabase(adminUrl: string, template: string, name: string, attempts = 5): Promise<void> {
  try {
    await runSql(adminUrl, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  } catch (error) {
    const inUse = error instanceof pg.DatabaseError && error.code === "55006";
    if (!inUse || attempts === 1) throw error;
    await copyDatabase(adminUrl, template, name, attempts - 1);
  }
}
