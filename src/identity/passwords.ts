import { hash, verify } from "@node-rs/argon2";
import { Refusal } from "../contract/errors.ts";
import { createTurns } from "../platform/turns.ts";

/** Unifies "é", which keyboards send as one character or as two. */
const normal = (password: string): string => password.normalize("NFC");

/** Earlier versions hashed a password without that. */
const formsOf = (password: string): string[] => [...new Set([normal(password), password.normalize("NFD"), password])];

/** The most registrations that wait for their hash: some seconds. */
const MAX_WAITING = 500;

const busy = () => new Refusal("busy");

/**
 * Creates a function that hashes one password at a time. It uses argon2id with the library's parameters (19 MiB, 2
 * passes), as OWASP recommends. One at a time, so that a flood of registrations leaves the other threads to logins.
 */
export function oneAtATime(maxWaiting: number): (password: string) => Promise<string> {
  const inTurn = createTurns({ atOnce: 1, waiting: maxWaiting, refusal: busy });
  return (password) => inTurn("", () => hash(normal(password)));
}

export const hashPassword = oneAtATime(Number.POSITIVE_INFINITY);
/**
 * For registrations of visitors, with a queue of its own: staff don't wait behind a crowd of visitors.
 * @throws Refusal busy
 */
export const hashVisitorsPassword = oneAtATime(MAX_WAITING);

/** More at once would take as long in total. Node.js needs its other threads to look up hosts and read files. */
const CHECKED_AT_ONCE = 2;
/** The most passwords that wait for their check: some 20 s. */
const MAX_CHECKS_WAITING = 1_000;

const checkInTurn = createTurns({
  ...{ atOnce: CHECKED_AT_ONCE, perKey: CHECKED_AT_ONCE, waiting: MAX_CHECKS_WAITING },
  refusal: busy,
});
let dummy: Promise<string> | undefined;

/**
 * Checks a password. Without a hash (no such account) it takes as long, and answers false.
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
