import type { UserRef } from "../chat/ports.ts";

/**
 * Who is online: a user is, while he has a connection on any process, or has lost his last one less than its grace ago.
 *
 * Two implementations, memory for one process and Redis for many, keep one contract:
 * - Every change is atomic per user. A `join` or `leave` told twice, or the `leave` of an unknown connection, changes
 *   nothing.
 * - Exactly one `join` answers "came online" between two times of being gone.
 * - A user who is gone is handed to exactly one process's `sweep`; should that process die meanwhile, to another one.
 * - A process that dies counts as having lost all its connections when its lease ends.
 * - When the store can't be reached, nothing here fails: this process's own connections are what is known, and they are
 *   told to the store by the first `touch` that reaches it.
 */
export interface Presence {
  /** A connection is there. Answers whether its user came online with it. */
  join(user: UserRef, connectionId: string): Promise<boolean>;

  /**
   * A connection is gone; its user stays online for `graceMs` more. `"all"` stands for every connection of this user,
   * on every process. Nobody is gone before a `sweep` has said so.
   */
  leave(user: UserRef, connectionId: string | "all", graceMs: number): Promise<void>;

  /**
   * Gives users whom nobody has told of `graceMs` to appear; after that they are gone. Says nothing of those who are
   * known.
   */
  expect(users: UserRef[], graceMs: number): Promise<void>;

  /**
   * Says that this process lives; to be called every `TOUCH_INTERVAL_MS`. When the store was away, or
   * has forgotten this process, all its connections are told again. Answers the users who came online by it.
   */
  touch(): Promise<UserRef[]>;

  /**
   * Finds who is gone (only among `user`, when given), calls `onGone` for each, once, and forgets him when it is done.
   * Answers those who have connected again while `onGone` ran. What `onGone` rejects with is passed on after the others
   * were served; its user is swept again later.
   */
  sweep(onGone: (user: UserRef) => Promise<void>, user?: UserRef): Promise<UserRef[]>;

  /**
   * Who is online in an organisation, right also before any sweep; who is gone stays online while `onGone` runs for him,
   * so that he is told offline before he is read offline. `isSure` is false when more may be: while the store is
   * away, and for some seconds after it was, or has lost its data.
   */
  online(organisationId: string): Promise<{ users: UserRef[]; isSure: boolean }>;

  /**
   * How many users are online in all organisations together, as the last look for who is gone has found, on whichever
   * process that was; null when there was none within 10 s.
   */
  count(): Promise<Counts | null>;
}

export type Counts = Record<UserRef["kind"], number>;

/** Called after each look at everybody: how long it took with all that followed, and how many this process let leave. */
export type SweepObserver = (seconds: number, gone: number) => void;

/** How often `touch` is to be called, and how long a process that doesn't is still believed to live. */
export const TOUCH_INTERVAL_MS = 2_000;
export const LEASE_MS = 6_000;
export const SWEEP_INTERVAL_MS = 1_000;

export const keyOf = (user: UserRef): string => `${user.kind}:${user.id}`;

export const unique = (users: UserRef[]): UserRef[] => [...new Map(users.map((user) => [keyOf(user), user])).values()];

/** Runs `onGone` for each of them, 20 at once; one that fails doesn't keep it from the others. */
export async function forEachGone(users: UserRef[], onGone: (user: UserRef) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  for (let start = 0; start < users.length; start += 20) {
    const results = await Promise.allSettled(users.slice(start, start + 20).map(onGone));
    failures.push(...results.filter((result) => result.status === "rejected").map(({ reason }) => reason));
  }
  if (failures.length > 0) throw new AggregateError(failures, "Not everybody who is gone could be served");
}
