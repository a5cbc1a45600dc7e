import { createHash, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Refusal } from "../contract/errors.ts";
import type { Bus } from "../platform/redis/bus.ts";
import { createTurns } from "../platform/turns.ts";
import { type Attempts, createMemoryAttempts, createRedisAttempts, type Limit, type Outcome } from "./attempts.ts";
import { createKnownAddresses } from "./known-addresses.ts";

/**
 * Failed logins within 15 minutes: enough for a forgetful person or an office behind one address; too few for guessing.
 */
const WINDOW_MS = 15 * 60_000;
const PER_EMAIL: Limit = { maxFailed: 10, maxAtOnce: 10, windowMs: WINDOW_MS };
/** Fewer at once than failures, so that one address doesn't delay all others of the process. */
const PER_ADDRESS: Limit = { maxFailed: 100, maxAtOnce: 20, windowMs: WINDOW_MS };
/** How long a login waits for its turn. So a whole shift that starts at nine gets in. */
const WAIT_MS = 30_000;
const LOOK_AGAIN_MS = 50;
/** The most logins that wait on a process, for one address or email. */
const MAX_WAITING = 500;

export type LoginLimits = {
  /**
   * Runs a login. Null means that it failed.
   * @param account the account of the login, whether it exists or not
   * @throws Refusal tooManyLogins, independent of the password; busy, when its turn doesn't come in time
   */
  attempt<T>(account: string, address: string, login: () => Promise<T | null>): Promise<T | null>;
  /**
   * The same for an identity token. Only its address counts, apart from the failed logins there: a web site with wrong
   * tokens must not lock out the staff behind the same address.
   */
  identify<T>(address: string, identify: () => Promise<T | null>): Promise<T | null>;
};

/**
 * Counts failed logins. At most as many attempts run at once as may still fail. So a hundred simultaneous guesses
 * don't all pass: the others wait for the results. All processes share the counts; while Redis is away each process
 * counts for itself. An address from which an email's owner has logged in lately has a count of its own. So guesses
 * from elsewhere don't lock out the owner there.
 */
export function createLoginLimits(redis: Bus["redis"] | undefined): LoginLimits {
  const attempts = createAttempts(redis);
  const known = createKnownAddresses(redis);
  const inTurn = createTurns({
    ...{ atOnce: Number.POSITIVE_INFINITY, waiting: MAX_WAITING },
    refusal: () => new Refusal("busy"),
  });

  /** Enters in order of arrival, when there is room. Returns the function that ends the attempt. */
  async function enter(
    what: "email" | "address" | "identity",
    key: string,
    limit: Limit,
  ): Promise<(outcome: Outcome) => Promise<void>> {
    // Emails may be any text, and are personal data.
    const hashed = `{${createHash("sha256").update(`${what} ${key}`).digest("base64url").slice(0, 22)}}`;
    const attempt = randomUUID();
    const until = performance.now() + WAIT_MS;
    await inTurn(hashed, async () => {
      for (;;) {
        const entry = await attempts.enter(hashed, attempt, limit);
        if (entry === "entered") return;
        if (entry !== "full") throw new Refusal("tooManyLogins", { minutes: Math.ceil(entry.lockedForMs / 60_000) });
        if (performance.now() > until) throw new Refusal("busy");
        await delay(LOOK_AGAIN_MS);
      }
    });
    return (outcome) => attempts.leave(hashed, attempt, outcome, limit);
  }

  return {
    async identify(address, identify) {
      const leave = await enter("identity", address, PER_ADDRESS);
      let outcome: Outcome = "uncounted";
      try {
        const result = await identify();
        if (result === null) outcome = "failed";
        return result;
      } finally {
        await leave(outcome);
      }
    },
    async attempt(account, address, login) {
      const here = `${account}@${address}`;
      const [isKnown, leaveAddress] = await Promise.all([known.has(here), enter("address", address, PER_ADDRESS)]);
      const leaveEmail = await enter("email", isKnown ? here : account, PER_EMAIL).catch(async (error: unknown) => {
        await leaveAddress("uncounted");
        throw error;
      });
      const leave = (ofEmail: Outcome, ofAddress: Outcome) =>
        Promise.all([leaveEmail(ofEmail), leaveAddress(ofAddress)]);
      const result = await login().catch(async (error: unknown) => {
        // The password couldn't be checked, so the login didn't fail.
        await leave("uncounted", "uncounted");
        throw error;
      });
      if (result === null) await leave("failed", "failed");
      else await Promise.all([leave("forgiven", "uncounted"), known.add(here)]);
      return result;
    },
  };
}

function createAttempts(redis: Bus["redis"] | undefined): Attempts {
  const memory = createMemoryAttempts();
  if (!redis) return memory;
  const shared = createRedisAttempts(redis, "failed-login:");
  return {
    enter: (...args) => shared.enter(...args).catch(() => memory.enter(...args)),
    // Redis may have become unreachable or come back since the attempt entered.
    async leave(...[key, attempt, outcome, limit]) {
      const isCounted = await shared.leave(key, attempt, outcome, limit).then(
        () => outcome === "failed",
        () => false,
      );
      await memory.leave(key, attempt, isCounted ? "uncounted" : outcome, limit);
    },
  };
}
