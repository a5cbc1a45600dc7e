import type { Entry } from "./ledger.ts";

export const promises = {
  P1: "an ack of true is a committed row",
  P2: "every message reaches everybody it is for",
  P3: "one winner",
  P4: "presence is true",
  P5: "a rolling restart is invisible",
  P6: "Redis away is a slow moment, nothing dies",
  P7: "nobody hears what isn't his",
  leaks: "nothing is left behind",
} as const;
export type PromiseName = keyof typeof promises;

/** A promise that was broken: where, when, by whom, so that somebody can start from there. */
export type Finding = { promise: PromiseName; what: string; t: number; about: string };

/** What was looked at, and how good it was. */
export type Figures = Record<string, number>;
export type Result = { findings: Finding[]; figures: Figures };

type Fault = Pick<Entry<"fault">, "t" | "end">;

/**
 * By when something has to be done that may take `ms` from `from` on: a fault within that time starts it anew.
 * @param faults those that excuse, in the order of their start
 */
export function deadline(from: number, ms: number, faults: Fault[]): number {
  let at = from + ms;
  for (const { t, end } of faults) if (t < at && end + ms > at) at = end + ms;
  return at;
}

/** What a sweep each second, a timer and a busy machine may shift things by. */
export const SLACK_MS = 300;

/** What holds for everybody: no part of the cluster that they could do without. */
export const isForAll = ({ of }: Pick<Entry<"fault">, "of">): boolean => of !== "pods";
