import { RateLimiterMemory, RateLimiterRedis, type RateLimiterRes } from "rate-limiter-flexible";
import type { Bus } from "../bus/redis.ts";
import { Refusal } from "../contract/errors.ts";

/** Failed logins within 15 minutes: enough for a forgetful person, or an office behind one address; too few to guess. */
const MAX_PER_EMAIL = 10;
const MAX_PER_ADDRESS = 100;
const WINDOW_S = 15 * 60;

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

/** Counts before it checks, so that a hundred guesses at once aren't all let through. Shared by all processes. */
export function createLoginLimits(redis: Bus["redis"] | undefined): LoginLimits {
  const limiter = (keyPrefix: string, points: number) => {
    const options = { keyPrefix, points, duration: WINDOW_S };
    const memory = new RateLimiterMemory(options);
    return redis ? new RateLimiterRedis({ ...options, storeClient: redis, insuranceLimiter: memory }) : memory;
  };
  const byEmail = limiter("failed-login:email", MAX_PER_EMAIL);
  const byAddress = limiter("failed-login:address", MAX_PER_ADDRESS);

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
      const emailKey = `${kind}:${email.toLowerCase()}`;
      await count(byAddress, address);
      await count(byEmail, emailKey);
      const result = await login();
      if (result !== null) await Promise.all([byEmail.delete(emailKey), byAddress.reward(address)]);
      return result;
    },
  };
}
