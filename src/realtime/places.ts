import type { Socket } from "socket.io";
import { connectionKey, isOpen, onceClosed } from "../platform/engine/connections.ts";

/**
 * Limits the connections of each user on this process: a visitor with thousands of tabs must not crowd out others.
 * @param max for each user; 0 is no limit
 */
export function createPlaces(max: number) {
  const counts = new Map<string, number>();
  /** The user of each connection, until it closes, even after it has left the namespace. */
  const holders = new Map<object, string>();

  function release(connection: object): void {
    const userId = holders.get(connection);
    if (userId === undefined) return;
    holders.delete(connection);
    const left = (counts.get(userId) as number) - 1;
    if (left > 0) counts.set(userId, left);
    else counts.delete(userId);
  }

  /**
   * Takes a place for the user. Answers false when they have no more. A connection has one place, even if it takes it
   * twice.
   */
  return (socket: Socket, userId: string): boolean => {
    // A connection that has closed meanwhile would never return its place.
    if (!isOpen(socket)) return true;
    const connection = connectionKey(socket);
    const isNew = !holders.has(connection);
    release(connection);
    const count = counts.get(userId) ?? 0;
    if (max > 0 && count >= max) return false;
    counts.set(userId, count + 1);
    holders.set(connection, userId);
    if (isNew) onceClosed(socket, () => release(connection));
    return true;
  };
}
