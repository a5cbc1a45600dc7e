import { type Algorithm, createVerifier } from "fast-jwt";
import { Refusal } from "../contract/errors.ts";
import { isId } from "../contract/models.ts";
import type { Account } from "./accounts.ts";
import { algorithmOf } from "./keys.ts";

/** The claims of a token whose signature is valid. Times are in ms since 1970. */
export type Claims = {
  userId: string;
  kind: Account["kind"];
  /** A refresh token is good for a renewal only. */
  isRefresh: boolean;
  /** Signed by this service, not by an outside issuer. */
  isOwn: boolean;
  /** When the person logged in. Tokens of earlier versions don't say so: then when the token was issued. */
  authTime: number;
  /** `tokensValidFrom` of the account when the token was issued. Without that claim: when the token was issued. */
  validFrom: number;
  expiresAt: number;
};

/** The `type` of refresh tokens. Processes of earlier versions refuse it, because they don't know it. */
export const REFRESH_TYPE = "refresh";

type Payload = { sub: unknown; type: unknown; iat: unknown; exp: unknown; auth_time?: unknown; valid_from?: unknown };

/**
 * Creates a function that verifies a token's signature and form, but not its expiry.
 * @throws Refusal missingToken, invalidToken, unknownUser
 */
export function createVerification(keys: { secrets: string[]; publicKeys: string[] }) {
  const verifier = (key: string, algorithm: Algorithm, isOwn: boolean) => {
    const requiredClaims = ["sub", "type", "iat", "exp"];
    return { isOwn, read: createVerifier({ key, algorithms: [algorithm], requiredClaims, ignoreExpiration: true }) };
  };
  const verifiers = [
    ...keys.secrets.map((key) => verifier(key, "HS256", true)),
    ...keys.publicKeys.map((key) => verifier(key, algorithmOf(key), false)),
  ];

  function read(token: string): { payload: Payload; isOwn: boolean } {
    for (const { isOwn, read } of verifiers) {
      try {
        return { payload: read(token), isOwn };
      } catch {
        // The next key may fit.
      }
    }
    throw new Refusal("invalidToken");
  }

  return (authorization: string | undefined): Claims => {
    const token = authorization?.replace(/^Bearer(\s+|$)/i, "").trim();
    if (!token) throw new Refusal("missingToken");
    const { payload, isOwn } = read(token);
    const { sub, type, iat, exp, auth_time, valid_from } = payload;
    if (typeof iat !== "number" || typeof exp !== "number") throw new Refusal("invalidToken");
    const isRefresh = type === REFRESH_TYPE;
    if (isRefresh && !isOwn) throw new Refusal("invalidToken");
    const kind = isRefresh ? "visitor" : type;
    if (typeof sub !== "string" || !isId(sub) || (kind !== "staff" && kind !== "visitor"))
      throw new Refusal("unknownUser");
    const authTime = 1000 * (isOwn && typeof auth_time === "number" ? auth_time : iat);
    const validFrom = isOwn && typeof valid_from === "number" ? valid_from : 1000 * iat;
    return { userId: sub, kind, isRefresh, isOwn, authTime, validFrom, expiresAt: 1000 * exp };
  };
}
