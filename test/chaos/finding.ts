import type { Entry } from "./ledger.ts";

export const promises = {
  P1: "an ack of true is a committed row",
  P2: "every entry reaches its whole audience",
  P3: "one winner",
  P4: "presence is true",
  P5: "a rolling restart is invisible",
  P6: "Redis away is a slow moment, nothing dies",
  P7: "nobody receives events of others",
  leaks: "nothing is left behind",
} as const;
export type PromiseName = keyof typeof promises;

/** A promise that was broken: where, when and by which connection. */
export type Finding = { promise: PromiseName; what: string; t: number; about: string };

/** The amount that was judged, and the measured times. */
export type Figures = Record<string, number>;
export type Result = { findings: Finding[]; figures: Figures };

type Fault = Pick<Entry<"fault">, "t" | "end">;

/**
 * By when something has to be done that may take `ms` from `from` on: a fault within that time starts it anew.
 * @param faults the faults that excuse, in the order of their start
 */
export function deadline(from: number, ms: number, faults: Fault[]): number {
  let at = from + ms;
  for (const { t, end } of faults) if (t < at && end + ms > at) at = end + ms;
  return at;
}

/** A sweep each second, a timer and a busy machine may shift things by so much. */
export const SLACK_MS = 300;

/** Whether a fault concerns all users: no other part of the cluster can stand in. */
export const isForAll = ({ of }: Pick<Entry<"fault">, "of">): boolean => of !== "pods";
