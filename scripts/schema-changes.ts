import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { PGlite } from "@electric-sql/pglite";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import { PrismaPGlite } from "pglite-prisma-adapter";
import { scratchDatabase } from "./scratch-database.ts";

const root = join(import.meta.dirname, "..");

/**
 * The SQL that leads from all migrations to prisma/schema.prisma; empty when they agree. Prisma's schema engine, as
 * WebAssembly, compares a scratch database with the schema (`prisma migrate` would download a native one).
 */
export async function schemaChanges(): Promise<string> {
  const database = await scratchDatabase();
  const content = readFileSync(join(root, "prisma/schema.prisma"), "utf8");
  const files = [{ path: "schema.prisma", content }];
  const engine = await startEngine(database, content);
  const { stdout } = await engine.diff({
    from: { tag: "schemaDatasource", files, configDir: root },
    to: { tag: "schemaDatamodel", files },
    script: true,
    exitCode: null,
    filters: { externalTables: [], externalEnums: [] },
  });
  const sql = (stdout ?? "").trim();
  return sql === "-- This is an empty migration." ? "" : sql;
}

/**
 * The statements that the version before can't live with: its processes still run while the first new one migrates.
 * Dropping an index only makes them slower.
 */
export function contractions(sql: string): string[] {
  const statements = sql.replace(/^\s*--.*$/gm, "").split(";");
  return statements.map((text) => text.replace(/\s+/g, " ").trim()).filter(takesAway);
}

function takesAway(statement: string): boolean {
  if (/\bDROP (TABLE|COLUMN|TYPE|DEFAULT|VIEW)\b|\bRENAME\b|\bSET (NOT NULL|DATA TYPE)\b|\bTRUNCATE\b/i.test(statement))
    return true;
  if (/\bALTER COLUMN "?\w+"? TYPE\b/i.test(statement)) return true;
  return /\bADD COLUMN\b/i.test(statement) && /\bNOT NULL\b/i.test(statement) && !/\bDEFAULT\b/i.test(statement);
}

/** TypeScript knows WebAssembly only together with the whole of a browser. */
type Exports = Record<string, () => void>;
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: Record<string, unknown>): Promise<{ instance: { exports: Exports } }>;
};

type SchemaEngine = { diff(params: object): Promise<{ stdout: string | null }> };
type EngineModule = {
  __wbg_set_wasm(exports: Exports): void;
  SchemaEngine: Record<"new", (options: object, log: () => void, adapter: unknown) => Promise<SchemaEngine>>;
};

async function startEngine(database: PGlite, schema: string): Promise<SchemaEngine> {
  const folder = join(root, "node_modules/@prisma/schema-engine-wasm");
  const engine = (await import(pathToFileURL(join(folder, "schema_engine_bg.js")).href)) as EngineModule;
  const wasm = await WebAssembly.instantiate(readFileSync(join(folder, "schema_engine_bg.wasm")), {
    "./schema_engine_bg.js": engine,
  });
  engine.__wbg_set_wasm(wasm.instance.exports);
  wasm.instance.exports.__wbindgen_start?.();
  const factory = bindMigrationAwareSqlAdapterFactory(new PrismaPGlite(database) as never);
  return engine.SchemaEngine.new({ datamodels: [["schema.prisma", schema]] }, () => {}, factory);
}
