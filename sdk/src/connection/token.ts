import { ChatError } from "../errors.ts";
import type { TokenSource } from "../types.ts";

/** How long one call of `token()` may take. */
const LIMIT_MS = 30_000;

export interface Claims {
  sub?: string;
  iat?: number;
  exp?: number;
}
/** The claims of a JWT, unchecked; none of another kind of token. */
export function claimsOf(token: string): Claims {
  try {
    const claims = JSON.parse(atob((token.split(".")[1] as string).replaceAll("-", "+").replaceAll("_", "/")));
    return typeof claims === "object" && claims !== null ? claims : {};
  } catch {
    return {};
  }
}

/**
 * How long to use a token before the next one is fetched: 80 % of its life. Its life is the difference of its own times,
 * because this machine's clock may be wrong. The clock counts only where it makes sense: for a token from a cache.
 */
export function renewalIn({ iat, exp }: Claims, now: number): number | null {
  if (typeof iat !== "number" || typeof exp !== "number") return null;
  const life = (exp - iat) * 1000;
  const left = exp * 1000 - now;
  return Math.min(Math.max((left > 0 && left < life ? left : life) * 0.8, 500), 2 ** 31 - 1);
}

export interface Tokens {
  /** The answer of the call in flight, or of a new one. Rejects when it fails, takes too long or is cancelled. */
  ask(cause: "start" | "expiring" | "refused"): Promise<string | null>;
  cancel(): void;
}

/** Keeps one call of `token()` in flight at most. */
export function createTokens(source: TokenSource): Tokens {
  let asked: Promise<string | null> | null = null;
  let controller = new AbortController();
  /** The former call, which may go on although nobody waits any more. */
  let former: Promise<unknown> | null = null;

  async function call(cause: "start" | "expiring" | "refused", { signal }: AbortController): Promise<string | null> {
    const over = new Promise<never>((_, reject) =>
      signal.addEventListener("abort", () => {
        // A call that ignores its signal holds the next one up, but not for ever.
        former = former === waited ? null : former;
        reject(new ChatError("timeout", "There is no token yet", true));
      }),
    );
    over.catch(() => {});
    const waited = former;
    if (waited) await Promise.race([waited, over]);
    const answer = (async () => source(cause, signal))();
    const ended = answer.catch(() => {});
    former = ended;
    ended.then(() => {
      if (former === ended) former = null;
    });
    return Promise.race([answer, over]);
  }

  return {
    ask(cause) {
      if (asked) return asked;
      const own = new AbortController();
      controller = own;
      const timer = setTimeout(() => own.abort(), LIMIT_MS);
      const mine: Promise<string | null> = call(cause, own).finally(() => {
        clearTimeout(timer);
        if (asked === mine) asked = null;
      });
      asked = mine;
      return mine;
    },
    cancel() {
      asked = null;
      controller.abort();
    },
  };
}
