import { hash, verify } from "@node-rs/argon2";
import { Refusal } from "../contract/errors.ts";
import { createTurns } from "../platform/turns.ts";

/** An "é" is one character, or two: which of them is sent depends on the keyboard. */
const normal = (password: string): string => password.normalize("NFC");

/** Earlier versions hashed a password in the form that was sent. */
const formsOf = (password: string): string[] => [...new Set([normal(password), password.normalize("NFD"), password])];

/** So many strangers' hashes may wait: some seconds. */
const MAX_WAITING = 500;

const busy = () => new Refusal("busy");

/**
 * argon2id with the library's parameters (19 MiB, 2 passes): what OWASP recommends. One at a time, so that a flood of
 * registrations leaves the other threads to those who log in.
 */
export function oneAtATime(maxWaiting: number): (password: string) => Promise<string> {
  const inTurn = createTurns({ atOnce: 1, waiting: maxWaiting, refusal: busy });
  return (password) => inTurn("", () => hash(normal(password)));
}

export const hashPassword = oneAtATime(Number.POSITIVE_INFINITY);
/**
 * For whoever registers himself: staff don't wait behind a crowd of those.
 * @throws Refusal busy
 */
export const hashStrangersPassword = oneAtATime(MAX_WAITING);

/** More at once would take no less time in all, and Node.js's other threads are needed to find and read things. */
const CHECKED_AT_ONCE = 2;
/** So many may wait to be checked: some 20 s. */
const MAX_CHECKS_WAITING = 1_000;

const checkInTurn = createTurns({
  ...{ atOnce: CHECKED_AT_ONCE, perKey: CHECKED_AT_ONCE, waiting: MAX_CHECKS_WAITING },
  refusal: busy,
});
let dummy: Promise<string> | undefined;

/**
 * Checks a password. Without a hash (there is no such account) it takes as long, and says no.
 * @throws Refusal busy
 */
export async function checkPassword(passwordHash: string | null | undefined, password: string): Promise<boolean> {
  dummy ??= hash("nobody's password");
  const expected = passwordHash ?? (await dummy);
  return checkInTurn("", async () => {
    for (const form of formsOf(password)) {
      if (await verify(expected, form)) return typeof passwordHash === "string";
    }
    return false;
  });
}
