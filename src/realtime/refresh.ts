import { setTimeout as delay } from "node:timers/promises";
import type { Connection } from "./connection.ts";

const RETRY_MS = 1_000;

type Refreshable = Pick<Connection, "refresh">;

/**
 * Creates a function that sends all connections a new snapshot. After a failure a connection gets another attempt each
 * second, and doesn't delay the others. A request during a refresh sends the snapshot again.
 */
export function createRefresh(
  connections: ReadonlySet<Refreshable>,
  onFault: (error: unknown) => void,
): () => Promise<void> {
  /** The connections that are being refreshed, and whether another refresh is needed. */
  const running = new Map<Refreshable, { again: boolean }>();

  async function refresh(connection: Refreshable): Promise<void> {
    const state = running.get(connection);
    if (state) {
      state.again = true;
      return;
    }
    const own = { again: true };
    running.set(connection, own);
    while (own.again && connections.has(connection)) {
      own.again = false;
      const isDone = await tryOnce(connection);
      if (isDone) continue;
      own.again = true;
      await delay(RETRY_MS);
    }
    running.delete(connection);
  }

  async function tryOnce(connection: Refreshable): Promise<boolean> {
    try {
      return await connection.refresh();
    } catch (error) {
      onFault(error);
      return false;
    }
  }

  return async () => {
    await Promise.all([...connections].map(refresh));
  };
}
