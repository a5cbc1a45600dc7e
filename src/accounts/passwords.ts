import { hash, verify } from "@node-rs/argon2";

/** argon2id with the library's parameters (19 MiB, 2 passes): what OWASP recommends. */
export const hashPassword = (password: string): Promise<string> => hash(password);

let dummy: Promise<string> | undefined;

/** Checks a password. Without a hash (there is no such account) it takes as long, and says no. */
export async function checkPassword(passwordHash: string | null | undefined, password: string): Promise<boolean> {
  dummy ??= hash("nobody's password");
  const matches = await verify(passwordHash ?? (await dummy), password);
  return matches && typeof passwordHash === "string";
}
