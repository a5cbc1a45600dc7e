import { PGlite } from "@electric-sql/pglite";
import { applyMigrations } from "../src/platform/postgres/migrate.ts";

let opened: Promise<PGlite> | undefined;

/** A database in memory with all migrations, for this process. Leave it as it was. */
export function scratchDatabase(): Promise<PGlite> {
  opened ??= open();
  return opened;
}

async function open(): Promise<PGlite> {
  const database = await PGlite.create();
  await applyMigrations({
    exec: (sql) => database.exec(sql),
    query: async <T>(sql: string, values?: unknown[]) => (await database.query<T>(sql, values)).rows,
  });
  return database;
}
