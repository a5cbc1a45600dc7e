import { Gauge, type GaugeConfiguration } from "prom-client";

/** A present value of a gauge. Without one the gauge shows nothing. */
export type Reading<L extends string> = { labels: Record<L, string | number>; value: number };

export type LiveGauge<L extends string = never> = {
  /** Sets the source of the values. The gauge calls it each time that the metrics are read. */
  from(read: () => Reading<L>[]): void;
};

/** Defines a gauge before its source exists. prom-client itself takes the source only with the definition. */
export function liveGauge<L extends string = never>(definition: GaugeConfiguration<L>): LiveGauge<L> {
  let read: () => Reading<L>[] = () => [];
  const hasLabels = (definition.labelNames ?? []).length > 0;
  new Gauge({
    ...definition,
    collect() {
      this.reset();
      // Without labels prom-client would show a 0 before the value is known.
      if (!hasLabels) this.remove();
      for (const { labels, value } of read()) this.set(labels, value);
    },
  });
  return {
    from(source) {
      read = source;
    },
  };
}
