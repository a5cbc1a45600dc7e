import { hash, verify } from "@node-rs/argon2";

let lastHash: Promise<unknown> = Promise.resolve();

/**
 * argon2id with the library's parameters (19 MiB, 2 passes): what OWASP recommends. One at a time, so that a flood of
 * registrations leaves the other threads to those who log in.
 */
export function hashPassword(password: string): Promise<string> {
  const hashed = lastHash.then(() => hash(password));
  lastHash = hashed.catch(() => {});
  return hashed;
}

let dummy: Promise<string> | undefined;

/** Checks a password. Without a hash (there is no such account) it takes as long, and says no. */
export async function checkPassword(passwordHash: string | null | undefined, password: string): Promise<boolean> {
  dummy ??= hash("nobody's password");
  const matches = await verify(passwordHash ?? (await dummy), password);
  return matches && typeof passwordHash === "string";
}
