import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../platform/config-error.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import type { AppendObserver } from "./append-messages.ts";
import { connectPostgres, type PoolUse } from "./prisma.ts";
import { createStore, type Store } from "./store.ts";

export type Storage = {
  store: Store;
  jwtSecrets: string[];
  /** The names of the migrations that this start has applied. */
  migrations: string[];
  /** None of the embedded database: it has no connections. */
  poolUse?: () => PoolUse;
  close(): Promise<void>;
};

/** Opens the database that the configuration names, brings it up to date, and finds the keys for tokens. */
export async function openStorage(config: Config, observeBatch?: AppendObserver): Promise<Storage> {
  if (config.databaseUrl === undefined) {
    const database = await (await embedded()).openEmbedded(config.dataDir);
    return {
      store: createStore(database, observeBatch),
      jwtSecrets: config.jwtSecrets.length > 0 ? config.jwtSecrets : [keptSecret(config.dataDir)],
      migrations: database.migrations,
      close: database.close,
    };
  }
  if (config.jwtSecrets.length === 0) throw new Error("readConfig requires JWT_SECRET with DATABASE_URL");
  const migrations = await migrate(config.databaseUrl);
  const database = connectPostgres(config.databaseUrl);
  const store = createStore(database, observeBatch);
  return { store, migrations, poolUse: database.poolUse, jwtSecrets: config.jwtSecrets, close: database.close };
}

/** Loaded only where it is used: it is large, and the image doesn't have it. */
async function embedded() {
  try {
    return await import("./embedded.ts");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new ConfigError("DATABASE_URL: not set, but required here: the embedded database isn't installed");
  }
}

/** The generated development secret: tokens outlive a restart. */
function keptSecret(dataDir: string): string {
  const file = join(dataDir, "jwt-secret");
  const kept = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  if (kept !== "") return kept;
  const secret = randomBytes(48).toString("base64url");
  mkdirSync(dataDir, { recursive: true });
  // All of it or nothing, also on a disk that is full.
  writeFileSync(`${file}.new`, secret, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return secret;
}
