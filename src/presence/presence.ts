import type { UserRef } from "../identity/user-ref.ts";
import { chunks } from "../platform/chunks.ts";

/**
 * Who is online: a user is, while he has a connection on any process, or has lost his last one less than its grace ago.
 *
 * Two implementations, memory for one process and Redis for many, keep one contract:
 * - Every change is atomic per user. A `join` or `leave` told twice, or the `leave` of an unknown connection, changes
 *   nothing.
 * - Exactly one `join` answers "came online" between two times of being gone.
 * - A user who is gone is handed to exactly one process's `sweep`; should that process die meanwhile, to another one.
 * - A process that dies counts as having lost all its connections when its lease ends.
 * - A process that lives, but can't reach the store, has lost none: nobody is handed to a `sweep` for a lost connection
 *   until that process can tell again who is there.
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
   * Says that this process lives; to be called every `TOUCH_INTERVAL_MS`, whatever else is under way. It waits for nothing
   * but one answer of the store, and never rejects.
   */
  renew(): Promise<void>;

  /**
   * Says that this process lives, and tells the store what it lacks: all connections, when the store was away or has
   * forgotten this process. Answers the users who came online by it.
   */
  touch(): Promise<UserRef[]>;

  /**
   * Says apart from the store that this process lives, and whether the store knows all its connections. To be called every
   * `TOUCH_INTERVAL_MS`; it takes no longer than that, and never rejects.
   */
  testify(): Promise<void>;

  /** This process ends, and has no connections any more. Never rejects. */
  end(): Promise<void>;

  /**
   * Finds who is gone (only among `user`, when given), lets each of them leave, once, and forgets him when it is done.
   *
   * For each it first calls `prepare`, which reads what there is to leave. Then it decides, and calls what `prepare` has
   * answered only for those who have been gone since before `prepare` was called: what a user begins after the decision is
   * not left, however long leaving takes. One whose `prepare` or leaving rejects is swept again later.
   */
  sweep(prepare: (user: UserRef) => Promise<() => Promise<void>>, user?: UserRef): Promise<Swept>;

  /**
   * The users who are online in an organisation, also right before any sweep. A user who is evicted counts as online until
   * that is done, so that the offline event comes first. `isSure` is false when more users may be online: while the store
   * is away, and for some seconds after it was, or has lost its data.
   */
  online(organisationId: string): Promise<{ users: UserRef[]; isSure: boolean }>;

  /**
   * How many users are online in all organisations together, as the last look for who is gone has found, on whichever
   * process that was; null when there was none within 10 s.
   */
  count(): Promise<Counts | null>;
}

export type Counts = Record<UserRef["kind"], number>;

/** `back` are those who have connected again while they left; `failures` is what leaving has rejected with. */
export type Swept = { back: UserRef[]; failures: unknown[] };

/** Hears what presence does, for metrics and the log. */
export type PresenceObserver = {
  /** A look at everybody has ended: how long it took with all that followed. */
  swept(seconds: number): void;
  /** This process lets a user leave: he has lost his last connection, or the lease of its process has ended. */
  left(why: "connection" | "lease"): void;
  /** Users who are gone wait, and why; null: nobody waits any more. */
  held(wait: { why: string; users: number } | null): void;
  /** The lease of another process has ended, and so many users have left by it. Called once for all processes. */
  peerLeaseEnded(process: string, users: number): void;
  /** This process finds that its own lease had ended: others may have let its users leave. */
  ownLeaseEnded(process: string): void;
};

export const IGNORE: PresenceObserver = {
  swept() {},
  left() {},
  held() {},
  peerLeaseEnded() {},
  ownLeaseEnded() {},
};

/** How often `touch` is to be called, and how long a process that doesn't is still believed to live. */
export const TOUCH_INTERVAL_MS = 2_000;
export const LEASE_MS = 6_000;
export const SWEEP_INTERVAL_MS = 1_000;

export const keyOf = (user: UserRef): string => `${user.kind}:${user.id}`;

export const unique = (users: UserRef[]): UserRef[] => [...new Map(users.map((user) => [keyOf(user), user])).values()];

/** Runs `work` for each of them, 20 at once. Answers what it has rejected with: one doesn't keep it from the others. */
export async function forEachGone<T>(gone: T[], work: (one: T) => Promise<void>): Promise<unknown[]> {
  const failures: unknown[] = [];
  for (const some of chunks(gone, 20)) {
    const results = await Promise.allSettled(some.map(work));
    failures.push(...results.filter((result) => result.status === "rejected").map(({ reason }) => reason));
  }
  return failures;
}
