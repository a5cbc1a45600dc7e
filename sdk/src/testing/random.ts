/** Numbers from 0 up to 1, the same for the same seed. */
export type Random = () => number;

/** Mulberry32: small, and good enough for tests. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Makes ids of 32 hex digits. A later id is greater, also within one millisecond. */
export function createIds(now: () => number, random: Random): () => string {
  let [at, count] = [0, 0];
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0").slice(-digits);
  return () => {
    const time = Math.max(at, Math.trunc(now()));
    count = time === at ? count + 1 : 0;
    at = time;
    const end = Math.floor(random() * 2 ** 48);
    return `${hex(at, 12)}7${hex(count, 6)}8${hex(end, 12)}`;
  };
}
