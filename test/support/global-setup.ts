// Before all test files: one PostgreSQL with a migrated template database, and a way to start Redis.
import { randomBytes } from "node:crypto";
import type { TestProject } from "vitest/node";
import { migrate } from "../../src/platform/postgres/migrate.ts";
import { databaseUrl, findRedis, runSql, type Source, startPostgres } from "./servers.ts";

declare module "vitest" {
  interface ProvidedContext {
    databases: { adminUrl: string; template: string };
    redis: Source;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  project.provide("redis", findRedis());
  const { url: adminUrl, stop } = await startPostgres();
  const template = await createTemplate(adminUrl).catch(async (error: Error) => {
    await stop();
    throw error;
  });
  project.provide("databases", { adminUrl, template });
  return () => dropDatabases(adminUrl, template).finally(stop);
}

async function createTemplate(adminUrl: string): Promise<string> {
  const template = `test_${randomBytes(6).toString("hex")}`;
  await runSql(adminUrl, `CREATE DATABASE ${template}`).catch((error: Error) => {
    throw new Error(
      `TEST_DATABASE_URL can't be used (${error.message}). Start that server and let its user create databases, ` +
        "or unset it.",
    );
  });
  try {
    await migrate(databaseUrl(adminUrl, template));
    await closeToConnections(adminUrl, template);
  } catch (error) {
    await dropDatabases(adminUrl, template);
    throw error;
  }
  return template;
}

/** PostgreSQL copies only a database that nobody is connected to. */
async function closeToConnections(adminUrl: string, database: string): Promise<void> {
  await runSql(adminUrl, `ALTER DATABASE ${database} ALLOW_CONNECTIONS false`);
  await runSql(
    adminUrl,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}' AND usename = current_user`,
  );
}

/** The template, and the copies that no test dropped. */
async function dropDatabases(adminUrl: string, template: string): Promise<void> {
  const names = `SELECT datname FROM pg_database WHERE starts_with(datname, '${template}')`;
  for (const { datname } of await runSql<{ datname: string }>(adminUrl, names)) {
    await runSql(adminUrl, `DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`);
  }
}
