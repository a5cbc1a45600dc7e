import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { PrismaPGlite } from "pglite-prisma-adapter";
import { lockDataDir } from "../platform/data-dir.ts";
import { applyMigrations } from "../platform/postgres/migrate.ts";
import { sessionSettings } from "../platform/postgres/session.ts";
import { type Database, openDatabase } from "./prisma.ts";

/**
 * Opens the embedded PostgreSQL (PGlite) under `dataDir`, up to date. It takes some 4 s. One process has it at a time.
 * @throws DataDirInUse
 */
export async function openEmbedded(dataDir: string): Promise<Database & { migrations: string[] }> {
  const lock = await lockDataDir(dataDir);
  const pglite = await PGlite.create(join(dataDir, "postgres"));
  await pglite.exec(sessionSettings("public"));
  const migrations = await applyMigrations({
    exec: (sql) => pglite.exec(sql),
    query: async <T>(sql: string, values?: unknown[]) => (await pglite.query<T>(sql, values)).rows,
  });
  // PGlite reads the types when it opens. This adds the types that a migration has made since.
  await pglite.refreshArrayTypes();
  const database = openDatabase(new PrismaPGlite(pglite));
  return {
    ...database,
    migrations,
    async close() {
      await database.close();
      await pglite.close();
      lock.close();
    },
  };
}
