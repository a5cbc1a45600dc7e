/** The spread of ages. Clients that came together, as after an outage, must not leave together. */
const JITTER = 0.1;

/** The greatest age of one connection, in ms: `maxMs` ± 10 %, random for each call. 0 means no limit. */
export function drawMaxAge(maxMs: number, random: () => number = Math.random): number {
  return maxMs === 0 ? Number.POSITIVE_INFINITY : maxMs * (1 + JITTER * (2 * random() - 1));
}
