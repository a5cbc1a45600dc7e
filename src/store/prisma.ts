import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "./generated/client.ts";

export type Prisma = PrismaClient;

/** Opens a PostgreSQL of its own. Connects on first use; waits at most 5 s for a connection, 15 s for an answer. */
export function connectPostgres(url: string): Prisma {
  const adapter = new PrismaPg(
    {
      connectionString: url,
      max: 10,
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
    },
    // Without a listener, an idle connection that PostgreSQL closes would end the process; the next query says it.
    { onPoolError: () => {}, onConnectionError: () => {}, statementNameGenerator: nameOf },
  );
  return new PrismaClient({ adapter, errorFormat: "minimal" });
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
