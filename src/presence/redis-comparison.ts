import type { UserRef } from "../identity/user-ref.ts";
import type { Entry } from "./redis-reading.ts";

/** The interval of comparisons. For a minute after trouble with Redis, each sweep compares. */
const INTERVAL_MS = 30_000;
const TROUBLED_MS = 60_000;

type Parts = {
  /** The process's present name. */
  name: () => string;
  /** The process's connections. `knownAs`: the process name that Redis knows each one by. */
  own: ReadonlyMap<string, { knownAs: string | null }>;
  /** Reports to Redis the loss of a connection that doesn't exist here. */
  end: (user: UserRef, connection: string) => Promise<unknown>;
  /** Makes the process send all its connections to Redis again. */
  resendAll: () => void;
};

type Comparison = {
  /** Compares a user's connections. */
  compare(user: UserRef, entry: Entry): Promise<void>;
  /** Call it after all users were compared. */
  end(): void;
};

/**
 * Compares this process's connections in Redis with the real ones, which only the process itself knows. A fail-over to a
 * replica that lags behind loses joins and leaves that Redis has already confirmed. A difference is repaired only after
 * two comparisons have found it: one alone may be a change on its way.
 */
export function createComparisons({ name, own, end, resendAll }: Parts): {
  /** Whether a comparison is due, `quietMs` after the last trouble. */
  isDue(quietMs: number): boolean;
  begin(): Comparison;
} {
  /** Connections that Redis has and this process doesn't. */
  let strays = new Set<string>();
  /** Connections that Redis has confirmed and doesn't have. */
  let missing = new Set<string>();
  let nextAt = 0;

  return {
    isDue: (quietMs) => quietMs <= TROUBLED_MS || strays.size + missing.size > 0 || performance.now() >= nextAt,
    begin() {
      const process = name();
      const found = new Set<string>();
      const unseen = new Set([...own].flatMap(([id, { knownAs }]) => (knownAs === process ? [id] : [])));
      return {
        async compare(user, entry) {
          for (const [connection, ends] of Object.entries(entry)) {
            if (ends !== 0 || !connection.startsWith(`${process}/`)) continue;
            const id = connection.slice(process.length + 1);
            unseen.delete(id);
            if (own.has(id)) continue;
            if (strays.has(connection)) await end(user, connection);
            found.add(connection);
          }
        },
        end() {
          strays = found;
          if ([...unseen].some((id) => missing.has(id) && own.has(id))) resendAll();
          missing = unseen;
          nextAt = performance.now() + INTERVAL_MS;
        },
      };
    },
  };
}
