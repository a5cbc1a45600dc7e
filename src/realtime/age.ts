/** By so much of it at most: those who came together, as after an outage, are not to leave together. */
const JITTER = 0.1;

/** How old one connection may become, in ms: `maxMs` ± 10 %, drawn anew by each call; without end when that is 0. */
export function drawMaxAge(maxMs: number, random: () => number = Math.random): number {
  return maxMs === 0 ? Number.POSITIVE_INFINITY : maxMs * (1 + JITTER * (2 * random() - 1));
}
