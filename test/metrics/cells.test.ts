import { Counter, Histogram, Registry } from "prom-client";
import { expect, test } from "vitest";
import { countingCells, observingCells } from "../../src/metrics/cells.ts";

const description = { help: "what it is", labelNames: ["event"] as "event"[] };
const buckets = [0.1, 1];
const [events, seconds] = [
  ["a", "b"],
  [0.05, 0.1, 0.100001, 1, 7],
];

test("they show, to the letter, what prom-client's own show, however often they are read", async () => {
  const [ours, theirs] = [new Registry(), new Registry()] as [Registry, Registry];
  const count = countingCells({ ...description, name: "n_total", registers: [ours] });
  const observe = observingCells({ ...description, name: "n_seconds", buckets, registers: [ours] });
  const counter = new Counter({ ...description, name: "n_total", registers: [theirs] });
  const histogram = new Histogram({ ...description, name: "n_seconds", buckets, registers: [theirs] });
  const cells = events.map((event) => ({ count: count({ event }), observe: observe({ event }) }));

  for (const value of seconds) {
    events.forEach((event, n) => {
      cells[n]?.count();
      cells[n]?.observe(value * (n + 1));
      counter.inc({ event });
      histogram.observe({ event }, value * (n + 1));
    });
    expect(sorted(await ours.metrics())).toEqual(sorted(await theirs.metrics()));
  }
  expect(sorted(JSON.stringify(await ours.getMetricsAsJSON()))).toHaveLength(1);
});

/** In lines, each with its labels in order. */
const sorted = (text: string) =>
  text.split("\n").map((line) => line.replace(/\{(.*)\}/, (_, labels: string) => `{${labels.split(",").sort()}}`));
