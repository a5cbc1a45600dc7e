import type { ClientOptions } from "../types.ts";
import { backoff } from "./backoff.ts";
import { claimsOf, createTokens, renewalIn } from "./token.ts";

export interface CredentialEvents {
  /** The user of the token, when it is another one than before. `owner` is "" when the token doesn't say it. */
  onUser(owner: string, user: string | null): void;
  /** Nobody is signed in any more. */
  onSignedOut(): void;
}
export type Credentials = ReturnType<typeof createCredentials>;

/** The token in use. It is replaced before it ends. */
export function createCredentials({ token: source, url }: ClientOptions, now: () => number, events: CredentialEvents) {
  const tokens = createTokens(source);
  let token: string | null = null;
  let cause: "start" | "refused" = "start";
  let owner: string | null = null;
  let renewal: ReturnType<typeof setTimeout> | undefined;
  let isStopped = true;

  function use(fresh: string): void {
    const claims = claimsOf(fresh);
    const isRepeated = fresh === token;
    token = fresh;
    cause = "start";
    clearTimeout(renewal);
    const wait = renewalIn(claims, now());
    if (wait !== null) renewal = setTimeout(renew, isRepeated ? wait + backoff(5) : wait);
    const user = claims.sub ?? null;
    const whose = user === null ? "" : `${new URL(url)}|${user}`;
    if (whose === owner) return;
    owner = whose;
    events.onUser(owner, user);
  }

  async function renew(): Promise<void> {
    try {
      const fresh = await tokens.ask("expiring");
      if (isStopped) return;
      if (fresh === null) events.onSignedOut();
      else use(fresh);
    } catch {
      if (!isStopped) renewal = setTimeout(renew, backoff(3));
    }
  }

  return {
    /** The token, or the answer of `token()`. Rejects when there is none yet. */
    async get(): Promise<string | null> {
      if (token !== null) return token;
      const fresh = await tokens.ask(cause);
      if (fresh !== null && token === null && !isStopped) use(fresh);
      return fresh;
    },
    /** Whether a newer token is there. */
    isOld: (used: string): boolean => token !== null && token !== used,
    /** The server has refused this token. */
    refuse(used: string): void {
      if (used !== token) return;
      token = null;
      cause = "refused";
    },
    start(): void {
      isStopped = false;
      if (token !== null) use(token);
    },
    stop(): void {
      isStopped = true;
      clearTimeout(renewal);
      tokens.cancel();
    },
  };
}
