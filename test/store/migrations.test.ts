import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { schemaChanges } from "../../scripts/schema-changes.ts";
import { MigrationError, migrate } from "../../src/store/migrate.ts";
import { runUntilExit, startPod } from "../support/pod.ts";
import { runAdmin } from "../support/process.ts";
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

test("a database newer than the code is a clear error, and a half-applied one as well", async () => {
  const database = await createDatabase();
  const insert = (finished: string) =>
    runSql(
      database.url,
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', 'y', '29990101000000_later', ${finished})`,
    );
  await insert("now()");
  const { code, output } = await runUntilExit({ DATABASE_URL: database.url });
  expect([code, output]).toEqual([
    1,
    "The database is newer than this version, which doesn't know migration 29990101000000_later: run a newer one.\n",
  ]);
  await runSql(database.url, "DELETE FROM _prisma_migrations WHERE id = 'x'");
  await insert("NULL");
  await expect(migrate(database.url)).rejects.toThrow(MigrationError);
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

test("a user who may not change the schema serves once it is up to date, and else is told who must act", {
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
