import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import { PrismaClient } from "./generated/client.ts";

export type Prisma = PrismaClient;

/** How many connections a process has at most. */
const MAX_CONNECTIONS = 10;

/** How the connections of a process are used at the moment; `waiting` are the statements that wait for one. */
export type PoolUse = { max: number; busy: number; idle: number; waiting: number };

/** Opens a PostgreSQL of its own. Connects on first use; waits at most 5 s for a connection, 15 s for an answer. */
export function connectPostgres(url: string): Prisma {
  return openPostgres(url).prisma;
}

/** The same, with a look at its connections. */
export function openPostgres(url: string): { prisma: Prisma; poolUse: () => PoolUse } {
  const pool = new pg.Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: 5_000,
    query_timeout: 15_000,
    // Whoever stands still within a transaction must not keep a chat locked, and with it all who write in the same batch.
    idle_in_transaction_session_timeout: 5_000,
    statement_timeout: 15_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: "chat-backend",
    // Plans that are made once: one from when a table was small must not read all of it when it is large.
    options: "-c enable_seqscan=off -c jit=off",
  });
  const adapter = new PrismaPg(pool, {
    disposeExternalPool: true,
    // Without a listener, an idle connection that PostgreSQL closes would end the process; the next query says it.
    ...{ onPoolError: () => {}, onConnectionError: () => {} },
    statementNameGenerator: nameOf,
  });
  return {
    prisma: new PrismaClient({ adapter, errorFormat: "minimal" }),
    poolUse: () => ({
      max: MAX_CONNECTIONS,
      busy: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }),
  };
}

const names = new Map<string, string>();

/**
 * What has a name is parsed once for each connection, and kept there for good. "" is none: of Prisma's own statements,
 * which name the schema, there are as many as lists have lengths.
 */
function nameOf({ sql }: { sql: string }): string {
  if (sql.includes('"public".')) return "";
  const name = names.get(sql) ?? `s${names.size}`;
  names.set(sql, name);
  return name;
}
