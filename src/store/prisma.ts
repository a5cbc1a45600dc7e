import { join } from "node:path";
import { PrismaPg } from "@prisma/adapter-pg";
import type { ArgType, SqlDriverAdapterFactory, SqlQueryable } from "@prisma/driver-adapter-utils";
import pg from "pg";
import { readPostgresUrl } from "../platform/postgres/address.ts";
import { keepWhenLocked } from "../platform/postgres/locks.ts";
import { renewWhenReadOnly } from "../platform/postgres/renewal.ts";
import { sessionSettings } from "../platform/postgres/session.ts";
import { createRun, type Query, type Run } from "../platform/postgres/statements.ts";
import { MESSAGE_CONNECTIONS } from "./append-messages.ts";
import { PrismaClient } from "./generated/client.ts";
import type { Statements } from "./sql/statements.ts";

export type Prisma = PrismaClient;

const STATEMENTS = join(import.meta.dirname, "sql");

export type Database = {
  prisma: Prisma;
  /**
   * Runs a statement of src/store/sql over the same connections. Prisma's client would take 150 us of CPU for each
   * statement.
   */
  run: Run<Statements>;
  /** The same for any SQL, without types. */
  query: Query;
  /** The same over connections of its own, for messages: whatever keeps all others busy doesn't hold up those. */
  messages: Pick<Database, "query" | "run">;
  /** Makes all connections anew. None of the embedded database. */
  renew?(): void;
  close(): Promise<void>;
};

/** How many connections a process has at most, and how many of them only messages use. */
const MAX_CONNECTIONS = 10;
/** For a connection, and for an answer. */
const CONNECT_WITHIN_MS = 5_000;
const ANSWER_WITHIN_MS = 15_000;

/** Beside the settings that every session has. */
const SETTINGS = [
  `SET statement_timeout = ${ANSWER_WITHIN_MS}`,
  // A process that is frozen within a transaction must not keep a chat locked: a whole batch would wait for it.
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
  const pool = openPool(url, settings, MAX_CONNECTIONS - MESSAGE_CONNECTIONS);
  const messagePool = openPool(url, settings, MESSAGE_CONNECTIONS);
  const renew = renewWhenReadOnly(pool, messagePool);
  const factoryOf = (one: pg.Pool) =>
    new PrismaPg(one, {
      schema,
      disposeExternalPool: true,
      // Without a listener, an idle connection that PostgreSQL closes would end the process; the next query says it.
      ...{ onPoolError: () => {}, onConnectionError: () => {} },
      statementNameGenerator: namesFor(schema),
    });
  const sum = (count: (one: pg.Pool) => number) => count(pool) + count(messagePool);
  return {
    ...openDatabase(factoryOf(pool), factoryOf(messagePool)),
    renew,
    poolUse: () => ({
      max: MAX_CONNECTIONS,
      busy: sum((one) => one.totalCount - one.idleCount),
      idle: sum((one) => one.idleCount),
      waiting: sum((one) => one.waitingCount),
    }),
  };
}

function openPool(url: string, settings: string, max: number): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    query_timeout: ANSWER_WITHIN_MS,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: "chat-backend",
    // The pool waits for what it answers, whatever its type says.
    onConnect: (client) => client.query(settings) as unknown as undefined,
  });
  // The pool hands a connection out for a transaction. For a moment then nobody else listens to its errors.
  pool.on("connect", (client) => client.on("error", () => {}));
  pool.on("release", (_error, client) => {
    // A rollback that had no answer may not even have been sent: who came next would write into that transaction.
    if (client.getTransactionStatus() !== "I") client.end().catch(() => {});
  });
  keepWhenLocked(pool);
  return pool;
}

const TEXT: ArgType = { arity: "scalar", scalarType: "string" };

/** Prisma's client and the statements of src/store/sql share one driver adapter, and so one pool. Messages may have their own. */
export function openDatabase(factory: SqlDriverAdapterFactory, ofMessages?: SqlDriverAdapterFactory): Database {
  const adapter = factory.connect();
  const messages = ofMessages?.connect() ?? adapter;
  const [query, queryMessages] = [queryOver(adapter), queryOver(messages)];
  const { provider, adapterName } = factory;
  const prisma = new PrismaClient({
    adapter: { provider, adapterName, connect: () => adapter },
    errorFormat: "minimal",
    // As long as for a statement: a process that stood still for some seconds has a database nevertheless.
    transactionOptions: { maxWait: CONNECT_WITHIN_MS, timeout: ANSWER_WITHIN_MS },
  });
  return {
    prisma,
    query,
    run: createRun<Statements>(query, STATEMENTS),
    messages: { query: queryMessages, run: createRun<Statements>(queryMessages, STATEMENTS) },
    async close() {
      await prisma.$disconnect();
      if (ofMessages) await (await messages).dispose();
    },
  };
}

const queryOver =
  (adapter: Promise<SqlQueryable>): Query =>
  async (sql, args) =>
    (await adapter).queryRaw({ sql, args, argTypes: args.map(() => TEXT) });

/**
 * PostgreSQL parses a statement with a name once for each connection, and keeps it. "" is no name: Prisma's own statements,
 * which name the schema, are as many as lists have lengths.
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
