import type { UserRef } from "../identity/user-ref.ts";
import { chunks } from "../platform/chunks.ts";

/**
 * Knows which users are online: users with a connection on any process. After the last one is lost, its user stays
 * online for one grace period.
 *
 * There are two implementations: memory for one process, Redis for many. Both keep this contract:
 * - Each change is atomic per user. A repeated `join` or `leave` changes nothing. Nor does the `leave` of an unknown
 *   connection.
 * - Between two evictions of a user exactly one `join` answers "came online".
 * - Exactly one process's `sweep` evicts an offline user. If that process dies meanwhile, another process does it.
 * - When the lease of a dead process ends, all its connections count as lost.
 * - A live process that can't reach the store has lost no connection. No `sweep` evicts for a lost connection until that
 *   process has reported its connections again.
 * - While the store is away, nothing here fails. The process then knows only its own connections. The first `touch` that
 *   reaches the store reports them.
 */
export interface Presence {
  /** Adds a connection. Answers whether its user came online with it. */
  join(user: UserRef, connectionId: string): Promise<boolean>;

  /**
   * Removes a connection. Its user stays online for `graceMs` more, and until a `sweep` evicts them. `"all"` stands for
   * every connection of this user, on every process.
   */
  leave(user: UserRef, connectionId: string | "all", graceMs: number): Promise<void>;

  /** Counts unknown users as online for `graceMs`: time to connect before a `sweep` evicts them. Skips known users. */
  expect(users: UserRef[], graceMs: number): Promise<void>;

  /**
   * Renews this process's lease. Call it every `TOUCH_INTERVAL_MS`, also while other calls are running. It waits for one
   * answer of the store only, and never rejects.
   */
  renew(): Promise<void>;

  /**
   * Renews the lease, and sends the store the pending changes. If the store was away or has lost this process's data, it
   * sends all connections. Answers the users who came online by this.
   */
  touch(): Promise<UserRef[]>;

  /**
   * Records outside the store that this process lives, and whether the store knows all its connections. Call it every
   * `TOUCH_INTERVAL_MS`. It takes no longer than that, and never rejects.
   */
  beat(): Promise<void>;

  /** Records that this process ends and has no connections any more. Never rejects. */
  end(): Promise<void>;

  /**
   * Finds offline users (only `user`, when given), evicts each one once, and then forgets them.
   *
   * For each user it first calls `prepare`, which reads what there is to leave. Then it decides. If the user has been
   * offline since before `prepare`, it calls the function that `prepare` returned. So an eviction never ends what a user
   * begins after the decision, however long the eviction takes. When `prepare` or its function rejects, a later sweep
   * tries that user again.
   */
  sweep(prepare: (user: UserRef) => Promise<() => Promise<void>>, user?: UserRef): Promise<Swept>;

  /**
   * The online users of an organisation. A user counts as online until their eviction is done, so that the offline event
   * comes first. `isSure` is false when more users may be online: while the store is away, and for some seconds after it
   * was away or lost its data.
   */
  online(organisationId: string): Promise<{ users: UserRef[]; isSure: boolean }>;

  /**
   * The number of online users in all organisations, as found by the last sweep on any process. Null when there was no
   * sweep within 10 s.
   */
  count(): Promise<Counts | null>;
}

export type Counts = Record<UserRef["kind"], number>;

/** `back`: users who connected again during their eviction. `failures`: the errors of evictions. */
export type Swept = { back: UserRef[]; failures: unknown[] };

/** Receives what presence does, for metrics and the log. */
export type PresenceObserver = {
  /** A sweep of all users has ended. `seconds` includes the evictions. */
  swept(seconds: number): void;
  /** This process evicted a user: they lost their last connection, or the lease of its process ended. */
  evicted(why: "connection" | "lease"): void;
  /** Evictions are held for this reason; null: they aren't held any more. */
  held(wait: { why: string; users: number } | null): void;
  /** The lease of another process ended, and this many users were evicted by it. Called on one process only. */
  peerLeaseEnded(process: string, users: number): void;
  /** This process finds that its own lease had ended. Other processes may have evicted its users. */
  ownLeaseEnded(process: string): void;
};

export const IGNORE: PresenceObserver = {
  swept() {},
  evicted() {},
  held() {},
  peerLeaseEnded() {},
  ownLeaseEnded() {},
};

/** The interval of `touch`, and how long the lease of a process lasts without one. */
export const TOUCH_INTERVAL_MS = 2_000;
export const LEASE_MS = 6_000;
export const SWEEP_INTERVAL_MS = 1_000;

export const keyOf = (user: UserRef): string => `${user.kind}:${user.id}`;

export const unique = (users: UserRef[]): UserRef[] => [...new Map(users.map((user) => [keyOf(user), user])).values()];

/** Runs `work` for each item, 20 at once. Answers all errors: the failure of one item doesn't stop the others. */
export async function settleInChunks<T>(offline: T[], work: (one: T) => Promise<void>): Promise<unknown[]> {
  const failures: unknown[] = [];
  for (const some of chunks(offline, 20)) {
    const results = await Promise.allSettled(some.map(work));
    failures.push(...results.filter((result) => result.status === "rejected").map(({ reason }) => reason));
  }
  return failures;
}
