import type { EventEmitter } from "node:events";
import type pg from "pg";

/** PostgreSQL's read_only_sql_transaction. */
const READ_ONLY = "25006";
/** Without a primary every write fails. Not each failure should renew all connections. */
const AT_MOST_EVERY_MS = 1_000;

/**
 * Renews all connections when a statement fails because the server is read-only. After a fail-over the pools' connections
 * still lead to the old primary, which is a standby now. New ones lead to the new primary.
 * @returns a function that renews them when the caller itself has noticed it
 */
export function renewWhenReadOnly(...pools: pg.Pool[]): () => void {
  let generation = 0;
  let quietUntil = 0;
  const generations = new WeakMap<pg.PoolClient, number>();

  function renew(): void {
    if (performance.now() < quietUntil) return;
    quietUntil = performance.now() + AT_MOST_EVERY_MS;
    generation++;
    for (const pool of pools) {
      for (let idle = pool.idleCount; idle > 0; idle--) {
        pool.connect().then(
          (client) => client.release(true),
          () => {},
        );
      }
    }
  }

  for (const pool of pools) {
    pool.on("connect", (client) => {
      generations.set(client, generation);
      // The driver's types don't have `connection`; the client itself uses it in the same way.
      const { connection } = client as unknown as { connection: EventEmitter };
      connection.on("errorMessage", ({ code }: { code?: string }) => {
        if (code === READ_ONLY) renew();
      });
    });
    // The pool removes ended clients.
    pool.on("release", (_error, client) => {
      if (generations.get(client) !== generation) void client.end();
    });
  }
  return renew;
}
