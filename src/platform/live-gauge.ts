import { Gauge, type GaugeConfiguration } from "prom-client";

/** The present value of a gauge. The gauge shows nothing while it isn't known. */
export type Reading<L extends string> = { labels: Record<L, string | number>; value: number };

export type LiveGauge<L extends string = never> = {
  /** From now on the gauge is read there, each time that the metrics are read. */
  from(read: () => Reading<L>[]): void;
};

/** A gauge that is defined before its source exists: prom-client takes the source with the definition only. */
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
