import { setTimeout as delay } from "node:timers/promises";
import type { Connection } from "./connection.ts";

const RETRY_MS = 1_000;

type Refreshable = Pick<Connection, "refresh">;

/**
 * Makes what sends all connections a new snapshot. Each that it couldn't be sent to has another try each second, and waits
 * for no other one. Asked for again meanwhile, it is sent again.
 */
export function createRefresh(
  connections: ReadonlySet<Refreshable>,
  onFault: (error: unknown) => void,
): () => Promise<void> {
  /** Those that are being refreshed, and whether they have to be once more. */
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
