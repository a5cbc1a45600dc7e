import type { EventEmitter } from "node:events";
import type pg from "pg";

/** PostgreSQL's read_only_sql_transaction. */
const READ_ONLY = "25006";
/** While there is no primary, every write fails: not each of them makes all connections anew. */
const AT_MOST_EVERY_MS = 1_000;

/**
 * After a failover pools may be full of connections to what is a standby now, and which stay open. Whenever a statement is
 * refused because nothing can be written, all connections are made anew, so that they lead to the new primary.
 * @returns what does so when the caller has found it out by itself
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
      // The driver's own types leave it out; the client itself listens to it in the same way.
      const { connection } = client as unknown as { connection: EventEmitter };
      connection.on("errorMessage", ({ code }: { code?: string }) => {
        if (code === READ_ONLY) renew();
      });
    });
    // The pool removes what has ended.
    pool.on("release", (_error, client) => {
      if (generations.get(client) !== generation) void client.end();
    });
  }
  return renew;
}
