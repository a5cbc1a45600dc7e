import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { readConfig } from "../../src/config/config.ts";
import { ConfigError } from "../../src/platform/config-error.ts";

export type Env = Record<string, string>;

export const SECRET = "0123456789abcdef0123456789abcdef";
export const DATABASE_URL = "postgresql://chat:s3cret@db:5432/chat";
export const OTHER_SECRET = "fedcba9876543210fedcba9876543210";
export const REDIS_URL = "redis://:s3cret@redis:6379";
export const pemOf = (key: KeyObject): string =>
  key.export({ type: key.type === "public" ? "spki" : "pkcs8", format: "pem" }) as string;
const ed25519 = generateKeyPairSync("ed25519");
export const PUBLIC_KEY = pemOf(ed25519.publicKey);
export const RSA_KEY = pemOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey);
export const PRIVATE_KEY = pemOf(ed25519.privateKey);
export const oneLine = (pem: string) => pem.replaceAll("\n", "\\n");

/** The refusal of a configuration: one line per problem. */
export function problems(env: Env): string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
}
