import type { ServerConnection } from "./connection.ts";
import type { Timers } from "./time.ts";

/** The events that connections have missed. */
export interface Repair {
  miss(connection: ServerConnection, again: () => void): void;
  /** Delivers all of them again, in the order in which they were lost. */
  run(): void;
  /** The connection has ended: the next one starts from a snapshot. */
  forget(connection: ServerConnection): void;
}

export function createRepair(timers: Timers, afterMs: number | null): Repair {
  const missed = new Map<ServerConnection, (() => void)[]>();
  const run = (connection: ServerConnection) => {
    const all = missed.get(connection) ?? [];
    missed.delete(connection);
    for (const again of all) again();
  };
  return {
    miss(connection, again) {
      const all = missed.get(connection);
      if (all) all.push(again);
      else missed.set(connection, [again]);
      if (!all && afterMs !== null) timers.after(afterMs, () => run(connection));
    },
    run() {
      for (const connection of [...missed.keys()]) run(connection);
    },
    forget: (connection) => void missed.delete(connection),
  };
}
