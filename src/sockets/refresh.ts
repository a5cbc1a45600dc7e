import { setTimeout as delay } from "node:timers/promises";
import type { Connection } from "./connection.ts";

const RETRY_MS = 1_000;

/**
 * Makes what sends all connections a new snapshot. Asked for again meanwhile, it begins again when it has ended; those to
 * whom it couldn't be sent have another try each second.
 */
export function createRefresh(connections: ReadonlySet<Pick<Connection, "refresh">>): () => Promise<void> {
  const stale = new Set<Pick<Connection, "refresh">>();
  let isRunning = false;
  return async () => {
    for (const connection of connections) stale.add(connection);
    if (isRunning) return;
    isRunning = true;
    while (stale.size > 0) {
      const some = [...stale].filter((connection) => connections.has(connection));
      stale.clear();
      const isDone = await Promise.all(some.map((connection) => connection.refresh()));
      const failed = some.filter((_, index) => !isDone[index]);
      for (const connection of failed) stale.add(connection);
      if (failed.length > 0) await delay(RETRY_MS);
    }
    isRunning = false;
  };
}
