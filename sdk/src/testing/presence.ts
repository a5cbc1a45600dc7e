import type { Timers } from "./time.ts";

/** Knows who is online: a user with a connection, or in the grace period. */
export interface Presence {
  isOnline(userId: string): boolean;
  /** Answers whether the user came online with this connection. */
  join(userId: string, connectionId: string): boolean;
  /** The connection has ended. Its user leaves after the grace period, or at once by choice. */
  lose(userId: string, connectionId: string, isChoice: boolean): void;
  /** The user leaves at once, whatever connections there are. */
  dismiss(userId: string): void;
}

type Attendance = { connections: Set<string>; stop: (() => void) | null };

/** @param leave closes the chats of a user who has left, and then reports them as offline */
export function createPresence(timers: Timers, graceMs: number, leave: (userId: string) => void): Presence {
  const users = new Map<string, Attendance>();
  /** A user counts as online until the chats are closed. */
  const evict = (userId: string) => {
    leave(userId);
    users.delete(userId);
  };
  return {
    isOnline: (userId) => users.has(userId),
    join(userId, connectionId) {
      const known = users.get(userId);
      known?.stop?.();
      const one = known ?? { connections: new Set(), stop: null };
      one.stop = null;
      one.connections.add(connectionId);
      users.set(userId, one);
      return !known;
    },
    lose(userId, connectionId, isChoice) {
      const one = users.get(userId);
      if (!one?.connections.delete(connectionId) || one.connections.size > 0) return;
      if (isChoice) evict(userId);
      else one.stop = timers.after(graceMs, () => evict(userId));
    },
    dismiss(userId) {
      users.get(userId)?.stop?.();
      if (users.has(userId)) evict(userId);
    },
  };
}
