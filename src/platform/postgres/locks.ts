import { setTimeout as delay } from "node:timers/promises";
import type { Pool, QueryConfig, QueryResult } from "pg";
import { pauseMs } from "../pause.ts";
import { isLocked, LOCKED, StillLocked } from "./faults.ts";

/** How long a caller waits for a locked row: as long as for any answer of the database. */
const GIVE_UP_MS = 15_000;

/**
 * The first timeout is long enough to queue behind locks of other statements, which last milliseconds. Later attempts
 * don't wait in the database, because a waiting statement keeps a connection. A hundred commands on locked chats would
 * keep all connections.
 */
const FIRST_LOCK_TIMEOUT = "20ms";
const LATER_LOCK_TIMEOUT = "1ms";

/** For batches whose rows another session keeps locked. */
export const WHEN_LOCKED = { giveUpMs: GIVE_UP_MS, error: () => new StillLocked() };

/**
 * Runs a statement, and repeats it while a row is locked. The statement begins with
 * `WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', :lockTimeout, true) AS lock_timeout)`. Its other parts
 * must read from `patience`, so that PostgreSQL applies the setting first. The setting ends with the statement.
 * @throws StillLocked after `giveUpMs`, with nothing changed
 */
export async function whileLocked<T>(attempt: (lockTimeout: string) => Promise<T>, giveUpMs = GIVE_UP_MS): Promise<T> {
  const giveUpAt = performance.now() + giveUpMs;
  for (let tries = 0; ; tries++) {
    try {
      return await attempt(tries === 0 ? FIRST_LOCK_TIMEOUT : LATER_LOCK_TIMEOUT);
    } catch (error) {
      if (!isLocked(error)) throw error;
      if (performance.now() > giveUpAt) throw new StillLocked();
    }
    await delay(pauseMs(tries));
  }
}

/**
 * Keeps the connection of a statement that gave up on a lock. The pool would close it, as after any failed statement, but
 * commands on a locked chat fail many times.
 */
export function keepWhenLocked(pool: Pool): void {
  pool.query = ((statement: QueryConfig) =>
    new Promise<QueryResult>((resolve, reject) => {
      pool.connect((noConnection, client, release) => {
        if (!client) return reject(noConnection);
        // By callback, because it releases the connection before any other code runs.
        client.query(statement, (error: (Error & { code?: string }) | null, result) => {
          release(error && error.code !== LOCKED ? error : undefined);
          if (error) reject(error);
          else resolve(result);
        });
      });
    })) as Pool["query"];
}
