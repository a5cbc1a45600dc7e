import type { Bus } from "../platform/redis/bus.ts";
import { remember } from "../platform/remember.ts";

/** How long an address stays known after a login from it. */
const KNOWN_FOR_S = 14 * 24 * 3600;
/** The most logins that a process remembers while Redis is away. It keeps the newest. */
const MAX_REMEMBERED = 10_000;

export type KnownAddresses = {
  /** @param login an account and an address, as one text */
  has(login: string): Promise<boolean>;
  add(login: string): Promise<void>;
};

/** Remembers the addresses of recent logins: of all processes, or of this one while Redis is away. Never rejects. */
export function createKnownAddresses(redis: Bus["redis"] | undefined): KnownAddresses {
  const own = new Map<string, number>();
  const keyOf = (login: string) => `known-login:${login}`;
  return {
    async has(login) {
      if ((own.get(login) ?? 0) > Date.now()) return true;
      const found = await redis?.get(keyOf(login)).catch(() => null);
      return typeof found === "string";
    },
    async add(login) {
      remember(own, MAX_REMEMBERED, login, Date.now() + KNOWN_FOR_S * 1_000);
      await redis?.set(keyOf(login), "1", "EX", KNOWN_FOR_S).catch(() => null);
    },
  };
}
