import type { Counter, Histogram } from "prom-client";

type Labels<L extends string> = Partial<Record<L, string>>;

/** Shows a counter for these labels from the start: without a 0 before it, nobody sees that the first one is one more. */
export function countFromZero<L extends string>(counter: Counter<L>, known: Labels<L>[]): Counter<L> {
  for (const labels of known) counter.inc(labels, 0);
  return counter;
}

/** Shows a histogram for these labels from the start. */
export function observeFromZero<L extends string>(histogram: Histogram<L>, known: Labels<L>[]): Histogram<L> {
  for (const labels of known) histogram.zero(labels);
  return histogram;
}
