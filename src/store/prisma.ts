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
      statement_timeout: 15_000,
      idleTimeoutMillis: 30_000,
      keepAlive: true,
      application_name: "chat-backend",
    },
    // Without a listener, an idle connection that PostgreSQL closes would end the process; the next query says it.
    { onPoolError: () => {}, onConnectionError: () => {} },
  );
  return new PrismaClient({ adapter, errorFormat: "minimal" });
}
