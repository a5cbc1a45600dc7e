import { createSigner } from "fast-jwt";
import { Refusal } from "../contract/errors.ts";
import type { Account, Accounts } from "./accounts.ts";
import { type Claims, createVerification, REFRESH_TYPE } from "./verification.ts";

/** The first secret signs. All secrets and public keys verify, one after the other: some 50 µs each. */
export type TokenOptions = {
  secrets: string[];
  publicKeys: string[];
  /** ACCESS_TOKEN_TTL */
  ttlMs: number;
  /** VISITOR_SESSION_MAX_AGE and STAFF_SESSION_MAX_AGE */
  maxAgeMs: Record<Account["kind"], number>;
};

export const tokenOptions = (config: TokenConfig, secrets: string[]): TokenOptions => ({
  ...{ secrets, publicKeys: config.jwtPublicKeys },
  ...{ ttlMs: config.accessTokenTtlMs, maxAgeMs: config.sessionMaxAgeMs },
});
type TokenConfig = { jwtPublicKeys: string[]; accessTokenTtlMs: number; sessionMaxAgeMs: TokenOptions["maxAgeMs"] };

/** An account, and when its token expires (ms since 1970) and what it was issued for. */
export type SignedIn = Account & Pick<Claims, "expiresAt" | "validFrom">;

/**
 * Whether a new password or `disabled` has ended the token. No clock decides this, because the token names the
 * `tokensValidFrom` that it was issued for. So a token that is issued next to such a change ends as well.
 */
export const isEnded = ({ validFrom }: Pick<Claims, "validFrom">, { tokensValidFrom }: Account): boolean =>
  validFrom < tokensValidFrom;

/** The tokens of a login. Only visitors get a refresh token. */
export type Issued = { access_token: string; refresh_token?: string };

export type Tokens = {
  /**
   * The tokens of a person who has just logged in, or who logged in at `authTime` (ms since 1970). The access token is
   * valid for ACCESS_TOKEN_TTL, and no token longer than the session's maximum age.
   */
  issue(account: Account, authTime?: number): Issued;
  /**
   * Finds the owner of an access token. Role and organisation always come from the database.
   * @param authorization the header's value, with or without "Bearer"
   * @param onValid called after the signature is verified, before the database is asked; its error is the answer
   * @throws Refusal missingToken, invalidToken, unknownUser
   */
  authenticate(authorization: string | undefined, onValid?: () => void): Promise<SignedIn>;
  /**
   * Issues tokens of the same login for an access token or a refresh token.
   * @throws Refusal missingToken, invalidToken, unknownUser, sessionOver, outsideIssuer
   */
  renew(authorization: string | undefined): Promise<{ account: Account; issued: Issued }>;
};

export function createTokens(options: TokenOptions, accounts: Pick<Accounts, "byId">): Tokens {
  const { secrets, ttlMs, maxAgeMs } = options;
  const sign = createSigner({ key: secrets[0] as string, algorithm: "HS256" });
  const verify = createVerification(options);

  function issue(account: Account, authTime = Date.now()): Issued {
    const { kind, user, tokensValidFrom } = account;
    const sessionEnd = authTime + maxAgeMs[kind];
    // Never before `tokensValidFrom`, which another clock may have set.
    const iat = Math.max(seconds(Date.now()), Math.ceil(tokensValidFrom / 1000));
    const shared = { sub: user.id, iat, auth_time: seconds(authTime), valid_from: tokensValidFrom };
    const token = (type: string, end: number) => sign({ ...shared, type, exp: seconds(end) });
    return {
      access_token: token(kind, Math.min(Date.now() + ttlMs, sessionEnd)),
      ...(kind === "visitor" && { refresh_token: token(REFRESH_TYPE, sessionEnd) }),
    };
  }

  async function ownerOf(claims: Claims): Promise<Account> {
    const account = await accounts.byId(claims.kind, claims.userId);
    if (!account || account.user.disabled) throw new Refusal("unknownUser");
    if (isEnded(claims, account)) throw new Refusal("invalidToken");
    return account;
  }

  return {
    issue,
    async authenticate(authorization, onValid = () => {}) {
      const claims = verify(authorization);
      if (claims.isRefresh || claims.expiresAt <= Date.now()) throw new Refusal("invalidToken");
      onValid();
      const { expiresAt, validFrom } = claims;
      return { ...(await ownerOf(claims)), expiresAt, validFrom };
    },
    async renew(authorization) {
      const claims = verify(authorization);
      const { kind, authTime, expiresAt, isOwn } = claims;
      if (isOwn && authTime + maxAgeMs[kind] <= Date.now()) throw new Refusal("sessionOver");
      if (expiresAt <= Date.now()) throw new Refusal("invalidToken");
      const account = await ownerOf(claims);
      if (!isOwn) throw new Refusal("outsideIssuer");
      return { account, issued: issue(account, authTime) };
    },
  };
}

const seconds = (ms: number): number => Math.floor(ms / 1000);
