import type { Socket } from "socket.io";

type Conn = Pick<Socket["conn"], "readyState" | "once">;

/**
 * Counts the connections of each user on this process: one visitor with thousands of tabs must not crowd out the others.
 * @param max for each user; 0 is no limit
 */
export function createPlaces(max: number) {
  const counts = new Map<string, number>();
  /** Whom a connection counts for: until it closes, also when it has left the namespace. */
  const holders = new Map<Conn, string>();

  function release(conn: Conn): void {
    const userId = holders.get(conn);
    if (userId === undefined) return;
    holders.delete(conn);
    const left = (counts.get(userId) as number) - 1;
    if (left > 0) counts.set(userId, left);
    else counts.delete(userId);
  }

  /** Takes a place for the user; false when he has no more. A connection has one place, however often it takes one. */
  return (conn: Conn, userId: string): boolean => {
    // It has closed meanwhile, and would never give the place back.
    if (conn.readyState !== "open") return true;
    const isNew = !holders.has(conn);
    release(conn);
    const count = counts.get(userId) ?? 0;
    if (max > 0 && count >= max) return false;
    counts.set(userId, count + 1);
    holders.set(conn, userId);
    if (isNew) conn.once("close", () => release(conn));
    return true;
  };
}
