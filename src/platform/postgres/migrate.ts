import { createHash, randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { ConfigError } from "../config-error.ts";
import { readPostgresUrl } from "./address.ts";
import { sessionSettings } from "./session.ts";

/** One connection to the database. `exec` takes several statements at once, which a pool or Prisma doesn't. */
export type MigrationConnection = {
  exec(sql: string): Promise<unknown>;
  query<T>(sql: string, values?: unknown[]): Promise<T[]>;
};

export class MigrationError extends Error {}

/** PostgreSQL can't be reached, or refuses this user or database. The message says why in one line. */
export class NotConnected extends Error {
  constructor(error: unknown) {
    // `localhost` has two addresses, and each has its own error.
    const { errors: [first = error] = [] } = error as { errors?: unknown[] };
    const { message, code } = first as NodeJS.ErrnoException;
    const why = code === "ECONNREFUSED" ? message.replace("connect ECONNREFUSED", "connection refused") : message;
    super(first instanceof pg.DatabaseError ? `PostgreSQL refuses: ${message}` : `PostgreSQL can't be reached: ${why}`);
  }
}

const FOLDER = join(import.meta.dirname, "../../../prisma/migrations");
/** The advisory lock of Prisma's own `migrate deploy`, so that both exclude each other. */
const LOCK = 72707369;
/** Other statements queue behind a migration that waits for a lock. So it gives up early, and is tried again. */
const LOCK_TIMEOUT = "5s";
/** How long another process may migrate. After the crash of its machine its lock stays until PostgreSQL notices. */
const TURN_TIMEOUT_MS = 600_000;
const LOOK_AGAIN_MS = 200;
/** CREATE INDEX CONCURRENTLY waits for earlier transactions, and no statement waits for it. */
const CONCURRENT_LOCK_TIMEOUT = "10min";
/** The same table as Prisma's, so that its command line tool can go on with the database. */
const TABLE = `CREATE TABLE _prisma_migrations (
  id VARCHAR(36) PRIMARY KEY NOT NULL,
  checksum VARCHAR(64) NOT NULL,
  finished_at TIMESTAMPTZ,
  migration_name VARCHAR(255) NOT NULL,
  logs TEXT,
  rolled_back_at TIMESTAMPTZ,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  applied_steps_count INTEGER NOT NULL DEFAULT 0
)`;

/** Removes the user's time limits, because a migration of a large table takes long. PostgreSQL 17 added `transaction_timeout`. */
const SETTINGS = `SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'`;

/** A migration with this first line is one statement that commits by itself, and can be repeated after a failure. */
const NO_TRANSACTION = "-- Runs outside a transaction";

/** PostgreSQL's codes: missing rights, lock timeout, read-only database. */
const DENIED = "42501";
const LOCKED = "55P03";
const READ_ONLY = "25006";

/**
 * Whether the name marks a migration that removes something the previous version uses. All others only add, so that the
 * previous version can still use the database: during a rolling update, and after a rollback.
 */
export const isContraction = (name: string): boolean => /^\d+_contract_/.test(name);

/**
 * Applies the missing migrations of `prisma/migrations`. If several processes start at once, one migrates and the others
 * wait. If none is missing, it doesn't wait, and the user needs no right to change the schema.
 * @returns the names of the applied migrations
 * @throws MigrationError when the database is too new for this code, or an earlier migration failed half-way; also when a
 * migration was changed since, the user lacks rights, or another process takes too long
 * @throws NotConnected
 * @throws ConfigError when the database's encoding isn't UTF8
 */
export async function migrate(databaseUrl: string): Promise<string[]> {
  const { url, schema } = readPostgresUrl(databaseUrl);
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect().catch((error: unknown) => {
    throw new NotConnected(error);
  });
  const connection: MigrationConnection = {
    exec: (sql) => client.query(sql),
    query: async <T>(sql: string, values?: unknown[]) => (await client.query(sql, values)).rows as T[],
  };
  try {
    await client.query(`${SETTINGS};${sessionSettings(schema)}`);
    await requireUtf8(connection);
    // Ignores errors here: another process may be migrating. They are checked again below.
    const missing = await findMissing(connection, FOLDER).catch(() => undefined);
    if (missing?.length === 0) return [];
    await waitForTurn(connection);
    await createSchema(connection, schema);
    return await applyMigrations(connection);
  } catch (error) {
    const code = error instanceof pg.DatabaseError ? error.code : undefined;
    if (code === READ_ONLY)
      throw new MigrationError("The database can't be brought up to date: it only reads (a standby, or frozen).");
    if (code !== DENIED) throw error;
    throw new MigrationError(
      `The database's user can't bring it up to date (${(error as Error).message}): run \`npm run admin -- migrate\` with a ` +
        "DATABASE_URL of its owner, and let this user read _prisma_migrations.",
    );
  } finally {
    await client.end(); // This also releases the lock.
  }
}

/**
 * Takes the lock by polling. A statement that waited for the lock would cause a deadlock: CREATE INDEX CONCURRENTLY, in
 * the process that has the lock, waits for all such statements.
 */
async function waitForTurn({ query }: MigrationConnection): Promise<void> {
  for (const deadline = performance.now() + TURN_TIMEOUT_MS; performance.now() < deadline; await delay(LOOK_AGAIN_MS)) {
    const [{ is_ours } = {}] = await query<{ is_ours: boolean }>("SELECT pg_try_advisory_lock($1) AS is_ours", [LOCK]);
    if (is_ours) return;
  }
  throw new MigrationError(
    "Another process has been bringing the database up to date for 10min. If there is none any more, end " +
      `its connection: SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = ${LOCK} AND granted`,
  );
}

/** With another encoding PostgreSQL would refuse single messages, for example with an emoji. */
async function requireUtf8({ query }: MigrationConnection): Promise<void> {
  const [{ encoding } = {}] = await query<{ encoding: string }>(
    "SELECT current_setting('server_encoding') AS encoding",
  );
  if (encoding === "UTF8") return;
  throw new ConfigError(
    `DATABASE_URL: found a database in the encoding ${encoding}, expected UTF8: ` +
      "CREATE DATABASE chat ENCODING 'UTF8' TEMPLATE template0",
  );
}

/** Looks first, because CREATE SCHEMA IF NOT EXISTS needs the right to create it even when it exists. */
async function createSchema({ exec, query }: MigrationConnection, schema: string): Promise<void> {
  const found = await query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema]);
  if (found.length === 0) await exec(`CREATE SCHEMA ${pg.escapeIdentifier(schema)}`);
}

const readMigration = (folder: string, name: string) => readFileSync(join(folder, name, "migration.sql"), "utf8");
/** The same checksum as Prisma's. */
const checksumOf = (sql: string) => createHash("sha256").update(sql).digest("hex");

/** Answers the missing migrations; null if the table of applied ones doesn't exist yet. */
async function findMissing({ query }: Pick<MigrationConnection, "query">, folder: string): Promise<string[] | null> {
  const [{ exists } = {}] = await query<{ exists: boolean }>(
    "SELECT to_regclass('_prisma_migrations') IS NOT NULL AS exists",
  );
  if (!exists) return null;
  type Applied = { migration_name: string; finished_at: unknown; checksum: string };
  const applied = await query<Applied>(
    "SELECT migration_name, finished_at, checksum FROM _prisma_migrations WHERE rolled_back_at IS NULL",
  );
  const known = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  for (const { migration_name: name, finished_at, checksum } of applied) {
    if (!finished_at)
      throw new MigrationError(`Migration ${name} has failed half-way: see \`prisma migrate resolve\`.`);
    if (known.includes(name) && checksum !== checksumOf(readMigration(folder, name)))
      throw new MigrationError(`Migration ${name} was changed after it had been applied: restore its migration.sql.`);
    if (known.includes(name) || !isContraction(name)) continue;
    throw new MigrationError(
      `The database is too new for this version: migration ${name} has taken away what it uses. Run a newer version.`,
    );
  }

  return known.filter((name) => !applied.some(({ migration_name }) => migration_name === name));
}

/** The same without the lock: for a connection that only this process has. */
export async function applyMigrations({ exec, query }: MigrationConnection, folder = FOLDER): Promise<string[]> {
  let missing = await findMissing({ query }, folder);
  if (missing === null) {
    // Not CREATE TABLE IF NOT EXISTS, because it needs the right to create even when the table exists.
    await exec(TABLE);
    missing = (await findMissing({ query }, folder)) ?? [];
  }
  for (const name of missing) {
    const sql = readMigration(folder, name);
    const record = () =>
      query(
        `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
         VALUES ($1, $2, $3, now(), 1)`,
        [randomUUID(), checksumOf(sql), name],
      );
    if (sql.startsWith(NO_TRANSACTION)) {
      await exec(sql);
      await record();
      continue;
    }
    if (/^\s*(CREATE|DROP) .*INDEX CONCURRENTLY /m.test(sql)) {
      await applyConcurrently({ exec, query }, name, sql);
      await record();
      continue;
    }
    await exec(`BEGIN; SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
    try {
      await exec(sql);
      await record();
      await exec("COMMIT");
    } catch (error) {
      await exec("ROLLBACK");
      throw error;
    }
  }
  return missing;
}

/**
 * Applies a migration with CONCURRENTLY. Its statement must be the only one, repeatable (IF NOT EXISTS), and runs without
 * a transaction. A failed attempt leaves an invalid index, which is dropped first.
 */
async function applyConcurrently({ exec, query }: MigrationConnection, name: string, sql: string): Promise<void> {
  const [, index] = /CONCURRENTLY IF (?:NOT )?EXISTS "(\w+)"/.exec(sql) ?? [];
  if (!index) throw new Error(`migration ${name} needs IF NOT EXISTS or IF EXISTS, and the index's name in quotes`);
  const left = await query("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid", [
    `"${index}"`,
  ]);
  await exec(`SET lock_timeout = '${CONCURRENT_LOCK_TIMEOUT}'`);
  if (left.length > 0) await exec(`DROP INDEX CONCURRENTLY "${index}"`);
  await exec(sql).catch((error: { code?: string }) => {
    if (error.code !== LOCKED) throw error;
    throw new MigrationError(
      `Migration ${name} waited ${CONCURRENT_LOCK_TIMEOUT} for transactions that began before it. Start again when they have ended.`,
    );
  });
  await exec("SET lock_timeout = 0");
}
