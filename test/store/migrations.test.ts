import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { contractions, schemaChanges } from "../../scripts/schema-changes.ts";
import { isContraction, MigrationError, migrate } from "../../src/store/migrate.ts";
import { runUntilExit, startPod } from "../support/pod.ts";
import { runSql } from "../support/servers.ts";
import { createDatabase, startRedis } from "../support/services.ts";

const emptied = async () => {
  const database = await createDatabase();
  await runSql(database.url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  return database;
};

test("schema and migrations agree", { timeout: 60_000 }, async () => {
  expect(await schemaChanges()).toBe("");
});

test("of processes that start at once on an empty database exactly one applies the migrations", async () => {
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
