import { setTimeout as delay } from "node:timers/promises";

/** The fields of an answer that is a list of names and values. */
export function pairs(answer: unknown): Record<string, string> {
  const list = answer as string[];
  return Object.fromEntries(list.flatMap((name, n) => (n % 2 === 0 ? [[name, list[n + 1] as string]] : [])));
}

/** Waits until Redis is as it should be. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  let last: unknown;
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await delay(100)) {
    last = await isSo().catch((error) => error);
    if (last === true) return;
  }
  throw new Error(`Redis isn't as it should be after a minute: ${last}`);
}
