const MAX_MS = 30_000;

/** A random delay below 1 s, 2 s, 4 s … 30 s, so that clients don't come back in lock-step. */
export const backoff = (attempt: number, leastMs = 0): number =>
  leastMs + Math.random() * Math.max(leastMs, Math.min(MAX_MS, 1000 * 2 ** attempt));
