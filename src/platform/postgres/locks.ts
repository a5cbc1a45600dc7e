import { setTimeout as delay } from "node:timers/promises";
import type { Pool, QueryConfig, QueryResult } from "pg";
import { isLocked, LOCKED, StillLocked } from "./faults.ts";

/** How long a caller waits for a row that somebody else keeps locked: as long as for an answer of the database. */
export const GIVE_UP_MS = 15_000;

/**
 * The setting for a statement: long enough to queue behind the locks of other statements, which last milliseconds. After
 * that the row is tried again and again without waiting in the database, because a waiting statement keeps a connection,
 * and a hundred commands on locked chats would keep all of them.
 */
const FIRST_LOCK_TIMEOUT = "20ms";
const LATER_LOCK_TIMEOUT = "1ms";

const MAX_PAUSE_MS = 200;

/** The pause before the next try: short while others hold a lock for milliseconds, and never the same for two rivals. */
export const pauseMs = (tries: number): number => Math.min(2 ** tries, MAX_PAUSE_MS) * (0.5 + Math.random() / 2);

/**
 * The beginning of a statement that gives up on a lock after `$1`; its other parts have to read from `patience`, so that
 * the setting comes first. The setting ends with the statement.
 */
export const PATIENCE = "patience AS MATERIALIZED (SELECT set_config('lock_timeout', $1, true) AS lock_timeout)";

/**
 * Runs a statement that begins with PATIENCE, again as long as it gives up on a lock.
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
 * A statement that gives up on a lock costs no connection. The pool closes any connection over which a statement fails, and
 * commands on a locked chat fail again and again.
 */
export function keepWhenLocked(pool: Pool): void {
  pool.query = ((statement: QueryConfig) =>
    new Promise<QueryResult>((resolve, reject) => {
      pool.connect((noConnection, client, release) => {
        if (!client) return reject(noConnection);
        // By callback: the connection is free for the next one before anything else happens to it.
        client.query(statement, (error: (Error & { code?: string }) | null, result) => {
          release(error && error.code !== LOCKED ? error : undefined);
          if (error) reject(error);
          else resolve(result);
        });
      });
    })) as Pool["query"];
}
