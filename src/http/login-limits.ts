import { RateLimiterMemory, RateLimiterRedis, type RateLimiterRes } from "rate-limiter-flexible";
import type { Bus } from "../bus/redis.ts";
import { Refusal } from "../contract/errors.ts";

/** Failed logins within 15 minutes: enough for a forgetful person, or an office behind one address; too few to guess. */
const MAX_PER_EMAIL = 10;
const MAX_PER_ADDRESS = 100;
const WINDOW_S = 15 * 60;
/** An address from which somebody has logged in is his own for so long. */
const KNOWN_FOR_S = 14 * 24 * 3600;

export type LoginLimits = {
  /**
   * Runs a login; null is a failed one.
   * @throws Refusal tooManyLogins, whether the password would have been right or not
   */
  attempt<T>(
    account: { kind: string; email: string },
    address: string,
    login: () => Promise<T | null>,
  ): Promise<T | null>;
};

/**
 * Counts before it checks, so that a hundred guesses at once aren't all let through. Shared by all processes; while Redis
 * is away each counts for itself. For an email, an address from which its owner has logged in lately is counted apart from
 * all others: who guesses elsewhere doesn't lock him out where he works.
 */
export function createLoginLimits(redis: Bus["redis"] | undefined): LoginLimits {
  const limiter = (keyPrefix: string, points: number, duration = WINDOW_S) => {
    const options = { keyPrefix, points, duration };
    const memory = new RateLimiterMemory(options);
    return redis ? new RateLimiterRedis({ ...options, storeClient: redis, insuranceLimiter: memory }) : memory;
  };
  const byEmail = limiter("failed-login:email", MAX_PER_EMAIL);
  const byAddress = limiter("failed-login:address", MAX_PER_ADDRESS);
  const known = limiter("known-login", 1, KNOWN_FOR_S);

  const count = async (one: typeof byEmail, key: string) => {
    try {
      await one.consume(key);
    } catch (rejected) {
      if (rejected instanceof Error) throw rejected;
      const minutes = Math.ceil((rejected as RateLimiterRes).msBeforeNext / 60_000);
      throw new Refusal("tooManyLogins", { minutes });
    }
  };

  return {
    async attempt({ kind, email }, address, login) {
      const account = `${kind}:${email.toLowerCase()}`;
      const here = `${account}@${address}`;
      const [isKnown] = await Promise.all([known.get(here), count(byAddress, address)]);
      const counted = isKnown === null ? account : here;
      await count(byEmail, counted);
      const result = await login().catch(async (error: unknown) => {
        // It could not be checked, which is no failed login.
        await Promise.all([byEmail.reward(counted), byAddress.reward(address)]);
        throw error;
      });
      if (result !== null)
        await Promise.all([byEmail.delete(counted), byAddress.reward(address), known.set(here, 1, KNOWN_FOR_S)]);
      return result;
    },
  };
}
