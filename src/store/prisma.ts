import { PrismaPg } from "@prisma/adapter-pg";
import type { ArgType, SqlDriverAdapterFactory } from "@prisma/driver-adapter-utils";
import pg from "pg";
import { readPostgresUrl } from "./address.ts";
import { PrismaClient } from "./generated/client.ts";
import { keepWhenLocked } from "./locks.ts";
import { renewWhenReadOnly } from "./renewal.ts";
import { sessionSettings } from "./session.ts";

export type Prisma = PrismaClient;

export type Database = {
  prisma: Prisma;
  /**
   * Runs a statement that returns one JSON value, over the same connections, past Prisma's client: that takes 150 us of
   * CPU for each statement, whatever it does. Arguments are texts, with a cast in the SQL.
   */
  queryJson<T>(sql: string, args: string[]): Promise<T>;
  /** Makes all connections anew. None of the embedded database. */
  renew?(): void;
  close(): Promise<void>;
};

/** How many connections a process has at most. */
const MAX_CONNECTIONS = 10;
/** For a connection, and for an answer. */
const CONNECT_WITHIN_MS = 5_000;
const ANSWER_WITHIN_MS = 15_000;

/** Beside what every session is told. */
const SETTINGS = [
  `SET statement_timeout = ${ANSWER_WITHIN_MS}`,
  // Whoever stands still within a transaction must not keep a chat locked, and with it all who write in the same batch.
  "SET idle_in_transaction_session_timeout = 5000",
  // Plans that are made once: one from when a table was small must not read all of it when it is large.
  "SET enable_seqscan = off",
  "SET jit = off",
].join(";");

/** How the connections of a process are used at the moment; `waiting` are the statements that wait for one. */
export type PoolUse = { max: number; busy: number; idle: number; waiting: number };

/** Opens a PostgreSQL of its own. Connects on first use; waits at most 5 s for a connection, 15 s for an answer. */
export function connectPostgres(databaseUrl: string): Database & { poolUse: () => PoolUse } {
  const { url, schema } = readPostgresUrl(databaseUrl);
  const settings = `${SETTINGS};${sessionSettings(schema)}`;
  const pool = new pg.Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    query_timeout: ANSWER_WITHIN_MS,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: "chat-backend",
    // The pool waits for what it answers, whatever its type says.
    onConnect: (client) => client.query(settings) as unknown as undefined,
  });
  // Between the pool and who gets a connection from it for a transaction there is a moment in which nobody else listens.
  pool.on("connect", (client) => client.on("error", () => {}));
  pool.on("release", (_error, client) => {
    // A rollback that had no answer may not even have been sent: who came next would write into that transaction.
    if (client.getTransactionStatus() !== "I") client.end().catch(() => {});
  });
  keepWhenLocked(pool);
  const renew = renewWhenReadOnly(pool);
  const factory = new PrismaPg(pool, {
    schema,
    disposeExternalPool: true,
    // Without a listener, an idle connection that PostgreSQL closes would end the process; the next query says it.
    ...{ onPoolError: () => {}, onConnectionError: () => {} },
    statementNameGenerator: namesFor(schema),
  });
  return {
    ...openDatabase(factory),
    renew,
    poolUse: () => ({
      max: MAX_CONNECTIONS,
      busy: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }),
  };
}

const TEXT: ArgType = { arity: "scalar", scalarType: "string" };

/** One driver adapter, and so one pool, for Prisma's client and for what goes past it. */
export function openDatabase(factory: SqlDriverAdapterFactory): Database {
  const adapter = factory.connect();
  const { provider, adapterName } = factory;
  const prisma = new PrismaClient({
    adapter: { provider, adapterName, connect: () => adapter },
    errorFormat: "minimal",
    // As long as for a statement: a process that stood still for some seconds has a database nevertheless.
    transactionOptions: { maxWait: CONNECT_WITHIN_MS, timeout: ANSWER_WITHIN_MS },
  });
  return {
    prisma,
    async queryJson(sql, args) {
      const { rows } = await (await adapter).queryRaw({ sql, args, argTypes: args.map(() => TEXT) });
      return JSON.parse(rows[0]?.[0] as string);
    },
    close: () => prisma.$disconnect(),
  };
}

/**
 * What has a name is parsed once for each connection, and kept there for good. "" is none: of Prisma's own statements,
 * which name the schema, there are as many as lists have lengths.
 */
function namesFor(schema: string): (statement: { sql: string }) => string {
  const names = new Map<string, string>();
  return ({ sql }) => {
    if (sql.includes(`"${schema}".`)) return "";
    const name = names.get(sql) ?? `s${names.size}`;
    names.set(sql, name);
    return name;
  };
}
