import type { UserRef } from "../identity/user-ref.ts";
import type { Entry } from "./redis-reading.ts";

/** How often a process compares its connections with Redis; in the minute after trouble with it, with each sweep. */
const INTERVAL_MS = 30_000;
const TROUBLED_MS = 60_000;

type Parts = {
  /** The process's name at the moment. */
  name: () => string;
  /** The process's connections, each with the name of the process under which Redis was told of it. */
  own: ReadonlyMap<string, { told: string | null }>;
  /** Tells Redis that a connection is lost that isn't there. */
  end: (user: UserRef, connection: string) => Promise<unknown>;
  /** Has all that is there told to Redis again. */
  tellAgain: () => void;
};

type Look = {
  /** Compares a user's connections. */
  see(user: UserRef, entry: Entry): Promise<void>;
  /** To be called when everybody was seen. */
  end(): void;
};

/**
 * Compares the connections that Redis has of this process with those that it has: only the process itself knows. A leave
 * that Redis has taken is lost again when a replica that hadn't heard of it becomes the master, and so is a join. What two
 * looks have found is put right; what only one has may be on its way.
 */
export function createLooks({ name, own, end, tellAgain }: Parts): {
  /** Whether it is time for one, so long after the last trouble. */
  isDue(quietMs: number): boolean;
  begin(): Look;
} {
  /** What Redis has of it, and it hasn't: whatever the reason, they are ghosts. */
  let strays = new Set<string>();
  /** What it has and has told of, and Redis hasn't. */
  let missing = new Set<string>();
  let nextAt = 0;

  return {
    isDue: (quietMs) => quietMs <= TROUBLED_MS || strays.size + missing.size > 0 || performance.now() >= nextAt,
    begin() {
      const process = name();
      const found = new Set<string>();
      const unseen = new Set([...own].flatMap(([id, { told }]) => (told === process ? [id] : [])));
      return {
        async see(user, entry) {
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
          if ([...unseen].some((id) => missing.has(id) && own.has(id))) tellAgain();
          missing = unseen;
          nextAt = performance.now() + INTERVAL_MS;
        },
      };
    },
  };
}
