import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { countingCells, observingCells } from "./cells.ts";

/** What a gauge shows at the moment: nothing while it isn't known. */
export type Reading<L extends string> = { labels: Record<L, string | number>; value: number };
export type LiveGauge<L extends string> = {
  /** From now on the gauge is read there, each time that somebody looks. */
  from(read: () => Reading<L>[]): void;
};

export type Define = ReturnType<typeof definer>;

/** Makes metrics in a registry. Each help says what an operator has to know to read it. */
export function definer(registry: Registry) {
  const registers: [Registry] = [registry];
  return {
    /** `known` are there from the start: of what isn't there, the first one can't be seen to be one more. */
    counter<L extends string = never>(
      name: string,
      help: string,
      labelNames: L[] = [],
      known: Partial<Record<L, string>>[] = [],
    ) {
      const counter = new Counter({ name, help, labelNames, registers });
      for (const labels of known) counter.inc(labels, 0);
      return counter;
    },
    histogram: <L extends string = never>(name: string, help: string, buckets: number[], labelNames: L[] = []) =>
      new Histogram({ name, help, labelNames, buckets, registers }),
    /** For the way of each message. */
    counting: <L extends string>(name: string, help: string, labelNames: L[]) =>
      countingCells({ name, help, labelNames, registers }),
    observing: <L extends string>(name: string, help: string, buckets: number[], labelNames: L[]) =>
      observingCells({ name, help, labelNames, buckets, registers }),
    live<L extends string = never>(name: string, help: string, labelNames: L[] = []): LiveGauge<L> {
      let read: () => Reading<L>[] = () => [];
      new Gauge({
        ...{ name, help, labelNames, registers },
        collect() {
          this.reset();
          // Without labels it would show a 0 before anybody knows.
          if (labelNames.length === 0) this.remove();
          for (const { labels, value } of read()) this.set(labels, value);
        },
      });
      return {
        from(source) {
          read = source;
        },
      };
    },
  };
}
