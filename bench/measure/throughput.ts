import { barChart } from "../charts/bars.ts";
import { lineChart } from "../charts/lines.ts";
import type { Measurement } from "../measurement.ts";
import { type Candidate, candidates } from "../pods.ts";
import { type Report, spreadText } from "../report.ts";
import { ratioOf, type Spread, spreadOf } from "../stats.ts";
import { type MessageRun, runMessages } from "./messages.ts";

/** The candidates that run on so many pods. */
const fieldOf = (pods: number, quick: boolean): Candidate[] => [
  ...(["ours", "relay"] as const),
  ...((quick ? [1] : [1, 4, 8]).includes(pods) ? (["relay-classic"] as const) : []),
  ...((quick ? [1] : [1, 4]).includes(pods) ? (["naive"] as const) : []),
];

export type Turn = MessageRun & { candidate: Candidate; pods: number };

export const throughput: Measurement = {
  name: "throughput",
  title: "messages a second, and CPU time for each, as fast as it goes",
  async run(rig, { rounds, pods: podCounts, seconds, quick }, report) {
    const turns: Turn[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const pods of podCounts) {
        for (const candidate of fieldOf(pods, quick)) {
          const cluster = await rig.startCluster(candidate, pods);
          const run = await runMessages(cluster, { seconds, quick }).finally(() => cluster.stop());
          turns.push({ candidate, pods, ...run });
          report.step(
            `throughput, round ${round} of ${rounds}: ${candidate} on ${pods}: ${Math.round(run.perSecond)} messages/s, ` +
              `${Math.round(run.podUs)} µs of pod CPU each`,
          );
        }
      }
    }
    report.keep("throughput", turns);
    const valuesOf = (candidate: Candidate, pods: number, value: (turn: Turn) => number) =>
      turns.filter((turn) => turn.candidate === candidate && turn.pods === pods).map(value);

    report.table({
      title: "Throughput at saturation (medians, in brackets the least and the greatest)",
      columns: [
        "",
        "pods",
        "messages/s",
        "pod CPU µs",
        "user",
        "system",
        "pod calls",
        "PostgreSQL µs",
        "Redis µs",
        "ack p50 ms",
        "p99",
        "delivery p50 ms",
        "p99",
      ],
      rows: podCounts.flatMap((pods) =>
        fieldOf(pods, quick).map((candidate) => {
          const text = (value: (turn: Turn) => number) => spreadText(spreadOf(valuesOf(candidate, pods, value)));
          return [
            ...[candidate, `${pods}`, text((turn) => turn.perSecond), text((turn) => turn.podUs)],
            ...[text((turn) => turn.podUserUs), text((turn) => turn.podSystemUs)],
            text((turn) => turn.podCalls),
            ...[text((turn) => turn.postgresUs), text((turn) => turn.redisUs)],
            ...[text((turn) => turn.ack.p50), text((turn) => turn.ack.p99)],
            ...[text((turn) => turn.delivery.p50), text((turn) => turn.delivery.p99)],
          ];
        }),
      ),
    });

    drawCharts(report, podCounts, (candidate, pods, value) => {
      const values = valuesOf(candidate, pods, value);
      return values.length > 0 ? spreadOf(values) : null;
    });

    const [podUs, perSecond] = [(turn: Turn) => turn.podUs, (turn: Turn) => turn.perSecond];
    const against = (other: Candidate, pods: number, value: (turn: Turn) => number) =>
      ratioOf(valuesOf("ours", pods, value), valuesOf(other, pods, value));
    for (const pods of [1, 4].filter((count) => podCounts.includes(count))) {
      const goal = `pod CPU per message, ours ÷ relay, pods: ${pods}`;
      report.goal({ goal, ratio: against("relay", pods, podUs), limit: 1, best: "low" });
    }
    for (const [pods, limit] of [
      [4, 1.2],
      [8, 1.4],
    ] as const) {
      if (!podCounts.includes(pods) || !podCounts.includes(1)) continue;
      const ratio = ratioOf(valuesOf("ours", pods, podUs), valuesOf("ours", 1, podUs));
      report.goal({ goal: `pod CPU per message, ours, ${pods} pods ÷ 1 pod`, ratio, limit, best: "low" });
    }
    if (!podCounts.includes(1)) return;
    report.goal({
      goal: "acked/s, ours ÷ naive, pods: 1",
      ratio: against("naive", 1, perSecond),
      limit: 5,
      best: "high",
    });
    report.goal({
      goal: "acked/s, ours ÷ relay, pods: 1",
      ratio: against("relay", 1, perSecond),
      limit: 0.6,
      best: "high",
    });
  },
};

type SpreadAt = (candidate: Candidate, pods: number, value: (turn: Turn) => number) => Spread | null;

function drawCharts(report: Report, podCounts: number[], spreadAt: SpreadAt): void {
  const seriesOf = (names: readonly Candidate[], value: (turn: Turn) => number) =>
    names.map((name) => ({ name, values: podCounts.map((pods) => spreadAt(name, pods, value)) }));
  report.chart(
    "cpu-per-message",
    lineChart({
      title: "CPU time of all pods for one message, at saturation",
      ...{ unit: "µs", xLabel: "pods", xs: podCounts.map(String) },
      series: seriesOf(["ours", "relay", "relay-classic"], (turn) => turn.podUs),
    }),
  );
  report.chart(
    "messages-per-second",
    barChart({
      title: "Acked messages a second, at saturation",
      ...{ unit: "messages/s", xLabel: "pods", groups: podCounts.map(String) },
      series: seriesOf(candidates, (turn) => turn.perSecond),
    }),
  );
}
