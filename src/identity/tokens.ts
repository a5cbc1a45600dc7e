import { type Algorithm, createSigner, createVerifier } from "fast-jwt";
import { Refusal } from "../contract/errors.ts";
import { isId } from "../contract/models.ts";
import type { Account, Accounts } from "./accounts.ts";
import { algorithmOf } from "./keys.ts";

/** The first secret signs. All secrets and public keys verify, one after the other: some 50 µs each. */
export type TokenOptions = { secrets: string[]; publicKeys: string[]; ttl: string };

/** An account, and the expiry of its token, in ms since 1970. */
export type SignedIn = Account & { expiresAt: number };

export type Tokens = {
  /** A token for this user, valid for ACCESS_TOKEN_TTL. */
  issue(user: { id: string }, type: Account["kind"]): string;
  /**
   * Finds the owner of a token. Role and organisation always come from the database.
   * @param authorization the header's value, with or without "Bearer"
   * @param onValid called after the signature is verified, before the database is asked; its error is the answer
   * @throws Refusal missingToken, invalidToken, unknownUser
   */
  authenticate(authorization: string | undefined, onValid?: () => void): Promise<SignedIn>;
};

export function createTokens({ secrets, publicKeys, ttl }: TokenOptions, accounts: Pick<Accounts, "byId">): Tokens {
  const sign = createSigner({ key: secrets[0] as string, algorithm: "HS256", expiresIn: ttl });
  const verifier = (key: string, algorithm: Algorithm) =>
    createVerifier({ key, algorithms: [algorithm], requiredClaims: ["sub", "type", "iat", "exp"] });
  const verifiers = [
    ...secrets.map((key) => verifier(key, "HS256")),
    ...publicKeys.map((key) => verifier(key, algorithmOf(key))),
  ];

  function verify(token: string): { sub: unknown; type: unknown; exp: number } {
    for (const verifier of verifiers) {
      try {
        return verifier(token);
      } catch {
        // The next key may fit.
      }
    }
    throw new Refusal("invalidToken");
  }

  return {
    issue: (user, type) => sign({ sub: user.id, type }),
    async authenticate(authorization, onValid = () => {}) {
      const token = authorization?.replace(/^Bearer(\s+|$)/i, "").trim();
      if (!token) throw new Refusal("missingToken");
      const { sub, type, exp } = verify(token);
      if (typeof sub !== "string" || !isId(sub) || (type !== "staff" && type !== "visitor"))
        throw new Refusal("unknownUser");
      onValid();
      const account = await accounts.byId(type, sub);
      if (!account || account.user.disabled) throw new Refusal("unknownUser");
      return { ...account, expiresAt: exp * 1000 };
    },
  };
}
