import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { contractions } from "../../scripts/schema-changes.ts";
import { isContraction, MigrationError, migrate } from "../../src/platform/postgres/migrate.ts";
import { runUntilExit, startPod } from "../support/pod.ts";
import { runAdmin, runMain } from "../support/process.ts";
import { runSql } from "../support/servers.ts";
import { createDatabase, startRedis } from "../support/services.ts";

const emptied = async () => {
  const database = await createDatabase();
  await runSql(database.url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  return database;
};

test("exactly one of several processes that start at once on an empty database applies the migrations", async () => {
  const database = await emptied();
  const applied = await Promise.all([1, 2, 3].map(() => migrate(database.url)));
  expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
  const rows = await runSql<{ migration_name: string }>(database.url, "SELECT * FROM _prisma_migrations");
  expect(rows.map(({ migration_name }) => migration_name)).toEqual(applied.flat());
  expect(await migrate(database.url)).toEqual([]);
  await database.drop();
});

test("two pods that start at once on an empty database both serve, with one admin", async () => {
  const database = await emptied();
  const redis = await startRedis();
  const env = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    ADMIN_EMAIL: "boss@shop.example",
    ADMIN_PASSWORD: "secret-123",
  };
  const pods = await Promise.all([startPod(env), startPod(env)]);
  for (const { url } of pods) {
    const body = JSON.stringify({ email: "boss@shop.example", password: "secret-123" });
    const headers = { "Content-Type": "application/json" };
    expect((await fetch(`${url}/login`, { method: "POST", headers, body })).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  }
  const [{ organisations, users } = {}] = await runSql<{ organisations: string; users: string }>(
    database.url,
    "SELECT (SELECT count(*) FROM organisations) AS organisations, (SELECT count(*) FROM users) AS users",
  );
  expect([organisations, users]).toEqual(["1", "1"]);
  await Promise.all(pods.map((pod) => pod.stop()));
  await redis.stop();
  await database.drop();
});

test.each([
  ["DROP TABLE a", true],
  ["ALTER TABLE a DROP COLUMN b", true],
  ["ALTER TABLE a RENAME TO b", true],
  ['ALTER TABLE "a" ALTER COLUMN "b" SET NOT NULL', true],
  ['ALTER TABLE "a" ALTER COLUMN "b" SET DATA TYPE TEXT', true],
  ['ALTER TABLE "a" ADD COLUMN "b" TEXT NOT NULL', true],
  ["-- DROP TABLE a\nCREATE TABLE b (c TEXT NOT NULL)", false],
  ['ALTER TABLE "a" ADD COLUMN "b" TEXT', false],
  ['ALTER TABLE "a" ADD COLUMN "b" BOOLEAN NOT NULL DEFAULT false', false],
  ["DROP INDEX a; CREATE INDEX b ON c(d)", false],
])("%s: takes something away: %s", (sql, takesAway) => {
  expect(contractions(sql).length > 0).toBe(takesAway);
});

test("a migration that takes something away has a name that says so", () => {
  const folder = `${import.meta.dirname}/../../prisma/migrations`;
  const names = readdirSync(folder).filter((name) => /^\d/.test(name));
  expect(names).not.toEqual([]);
  for (const name of names) {
    const taken = contractions(readFileSync(`${folder}/${name}/migration.sql`, "utf8"));
    expect([name, taken.length > 0]).toEqual([name, isContraction(name)]);
  }
});

describe("a database that is newer than the code", () => {
  const recorded = (url: string, name: string, finished = "now()") =>
    runSql(
      url,
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', 'y', '${name}', ${finished})`,
    );

  test("is fine as long as it has only grown", async () => {
    const database = await createDatabase();
    await recorded(database.url, "29990101000000_more");
    expect(await migrate(database.url)).toEqual([]);
    await database.drop();
  });

  test("is a clear error when something was taken away, and so is a half-applied migration", async () => {
    const database = await createDatabase();
    await recorded(database.url, "29990101000000_contract_less");
    const { code, output } = await runUntilExit({ DATABASE_URL: database.url });
    expect([code, output]).toEqual([
      1,
      "The database is too new for this version: migration 29990101000000_contract_less has taken away what it uses. " +
        "Run a newer version.\n",
    ]);
    await runSql(database.url, "DELETE FROM _prisma_migrations WHERE id = 'x'");
    await recorded(database.url, "29990101000000_more", "NULL");
    await expect(migrate(database.url)).rejects.toThrow(MigrationError);
    await database.drop();
  });
});

test("a migration that was changed after it had been applied stops the start with one line", async () => {
  const database = await createDatabase();
  const name = "20261123222621_open_chats";
  await runSql(database.url, `UPDATE _prisma_migrations SET checksum = 'other' WHERE migration_name = '${name}'`);
  const { code, output } = await runUntilExit({ DATABASE_URL: database.url });
  expect([code, output]).toEqual([
    1,
    `Migration ${name} was changed after it had been applied: restore its migration.sql.\n`,
  ]);
  await database.drop();
});

test("the admin command migrates with nothing but the database in its environment", async () => {
  const database = await emptied();
  const env = { DATABASE_URL: database.url, NODE_ENV: "production" };
  const { code, stdout, stderr } = await runAdmin(["migrate"], env);
  const rows = await runSql<{ line: string }>(
    database.url,
    "SELECT 'applied ' || migration_name AS line FROM _prisma_migrations ORDER BY migration_name",
  );
  expect(rows).not.toEqual([]);
  expect([code, stdout, stderr]).toEqual([0, `${rows.map(({ line }) => line).join("\n")}\n`, ""]);
  expect(await runAdmin(["migrate"], env)).toEqual({ code: 0, stdout: "The database is up to date.\n", stderr: "" });
  await database.drop();
});

test("a user without rights on the schema serves an up-to-date one, and else gets an error with the next step", {
  timeout: 60_000,
}, async () => {
  const database = await createDatabase();
  const name = `service_${randomBytes(6).toString("hex")}`;
  await runSql(
    database.url,
    `CREATE ROLE ${name} LOGIN PASSWORD '${name}';
     GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${name}`,
  );
  const url = new URL(database.url);
  [url.username, url.password] = [name, name];
  const env = {
    ...{ DATABASE_URL: url.href, ORGANISATION_NAME: "The shop" },
    ...{ ADMIN_EMAIL: "boss@shop.example", ADMIN_PASSWORD: "secret-123" },
  };
  const pod = await startPod(env);
  expect((await fetch(`${pod.url}/readyz`)).status).toBe(200);
  await pod.stop();
  await runSql(
    database.url,
    "DELETE FROM _prisma_migrations WHERE migration_name = (SELECT min(migration_name) FROM _prisma_migrations)",
  );
  const { code, output } = await runUntilExit(env);
  expect([code, output]).toEqual([
    1,
    "The database's user can't bring it up to date (permission denied for schema public): run `npm run admin -- migrate` " +
      "with a DATABASE_URL of its owner, and let this user read _prisma_migrations.\n",
  ]);
  await runSql(database.url, `DROP OWNED BY ${name}; DROP ROLE ${name}`);
  await database.drop();
});

test("a start waits for another one that migrates only if something is missing, and ends at SIGTERM while it waits", async () => {
  const [upToDate, empty] = [await createDatabase(), await emptied()];
  const holders = await Promise.all(
    [upToDate, empty].map(async ({ url }) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query("SELECT pg_advisory_lock(72707369)");
      return client;
    }),
  );
  try {
    const pod = await startPod({ DATABASE_URL: upToDate.url });
    expect(await pod.stop()).toBe(0);
    const waiting = runMain({ DATABASE_URL: empty.url });
    const waits =
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_try_advisory_lock%'";
    await expect.poll(() => runSql(empty.url, waits), { timeout: 20_000 }).toHaveLength(1);
    waiting.child.kill("SIGTERM");
    expect(await waiting.ended).toBe(143);
  } finally {
    for (const holder of holders) await holder.end();
    for (const database of [upToDate, empty]) await database.drop();
  }
}, 60_000);

describe("an index that is made beside the work of others", () => {
  /** As the version before has left it, with a transaction under way that has written what is indexed. */
  const fromBefore = async () => {
    const database = await createDatabase();
    await runSql(
      database.url,
      `DROP INDEX visitors_email; CREATE UNIQUE INDEX visitors_email_key_key ON visitors(email_key);
       DELETE FROM _prisma_migrations WHERE migration_name LIKE '%visitor_emails%';
       INSERT INTO organisations VALUES (gen_random_uuid(), 'Shop')`,
    );
    const register = `INSERT INTO visitors (id, organisation_id, name, email, email_key, is_anonymous)
      SELECT gen_random_uuid(), id, 'Vera', gen_random_uuid(), gen_random_uuid(), false FROM organisations`;
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(`BEGIN; ${register}`);
    return { database, client, register };
  };
  const indexes = (url: string) =>
    runSql(
      url,
      `SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid
       WHERE indrelid = 'visitors'::regclass AND relname LIKE '%email%'`,
    );

  test("keeps nobody waiting, and no process that starts meanwhile makes it fail", async () => {
    const { database, client, register } = await fromBefore();
    const migrations = [migrate(database.url), migrate(database.url), migrate(database.url)];
    const making =
      "SELECT 1 FROM pg_stat_progress_create_index WHERE datname = current_database() AND lockers_total > 0";
    await expect.poll(() => runSql(database.url, making), { timeout: 20_000 }).toHaveLength(1);
    await runSql(database.url, `SET lock_timeout = '2s'; ${register}`);
    // Longer than PostgreSQL takes to find a deadlock.
    await delay(2_500);
    await client.query("COMMIT");
    const applied = await Promise.all(migrations);
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
    expect(await indexes(database.url)).toEqual([{ relname: "visitors_email", indisvalid: true }]);
    await client.end();
    await database.drop();
  });

  test("is made anew when a process died in the middle of it", async () => {
    const { database, client } = await fromBefore();
    const dying = migrate(database.url).catch((error: unknown) => error);
    const making =
      "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database() AND lockers_total > 0";
    await expect.poll(() => runSql(database.url, making), { timeout: 20_000 }).toHaveLength(1);
    await runSql(database.url, `SELECT pg_terminate_backend(pid) FROM (${making}) making`);
    await dying;
    await client.query("COMMIT");
    await client.end();
    expect(await indexes(database.url)).toContainEqual({ relname: "visitors_email", indisvalid: false });
    expect(await migrate(database.url)).toHaveLength(2);
    expect(await indexes(database.url)).toEqual([{ relname: "visitors_email", indisvalid: true }]);
    await database.drop();
  });
});
