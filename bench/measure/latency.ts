import { barChart } from "../charts/bars.ts";
import type { Measurement } from "../measurement.ts";
import type { Candidate } from "../pods.ts";
import { spreadText } from "../report.ts";
import { ratioOf, spreadOf } from "../stats.ts";
import { type MessageRun, runMessages } from "./messages.ts";

const RATE = 500;
export const PODS = 2;
const field: Candidate[] = ["ours", "relay", "naive"];

type Turn = MessageRun & { candidate: Candidate };

export const latency: Measurement = {
  name: "latency",
  title: `how long a message takes at ${RATE} a second on ${PODS} pods, and its CPU time`,
  async run(rig, { rounds, seconds, quick }, report) {
    const turns: Turn[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const candidate of field) {
        const cluster = await rig.startCluster(candidate, PODS);
        const run = await runMessages(cluster, { seconds: 2 * seconds, quick, rate: RATE }).finally(() =>
          cluster.stop(),
        );
        turns.push({ candidate, ...run });
        report.step(
          `latency, round ${round} of ${rounds}: ${candidate}: ack ${run.ack.p50.toFixed(1)} ms, delivery ` +
            `${run.delivery.p50.toFixed(1)} ms (p99 ${run.delivery.p99.toFixed(1)} ms), ` +
            `${Math.round(run.podUs)} µs of pod CPU`,
        );
      }
    }
    report.keep("latency", turns);
    const valuesOf = (candidate: Candidate, value: (turn: Turn) => number) =>
      turns.filter((turn) => turn.candidate === candidate).map(value);

    const columns: [string, (turn: Turn) => number][] = [
      ["ack p50 ms", (turn) => turn.ack.p50],
      ["ack p99 ms", (turn) => turn.ack.p99],
      ["delivery p50 ms", (turn) => turn.delivery.p50],
      ["delivery p99 ms", (turn) => turn.delivery.p99],
      ["copy p99 ms", (turn) => turn.copy.p99],
      ["pod CPU µs", (turn) => turn.podUs],
      ["PostgreSQL µs", (turn) => turn.postgresUs],
      ["Redis µs", (turn) => turn.redisUs],
    ];
    report.table({
      title: `Latency at ${RATE} messages/s on ${PODS} pods, sender and receiver on different ones`,
      columns: ["", ...columns.map(([name]) => name)],
      rows: [
        ...field.map((candidate) => [
          candidate,
          ...columns.map(([, value]) => spreadText(spreadOf(valuesOf(candidate, value)))),
        ]),
        [
          "ours ÷ relay",
          ...columns.map(([, value]) => {
            const ratio = ratioOf(valuesOf("ours", value), valuesOf("relay", value));
            return Number.isFinite(ratio.median) ? spreadText(ratio) : "";
          }),
        ],
      ],
    });
    const bars = columns.slice(0, 4);
    report.chart(
      "latency",
      barChart({
        title: `Latency at ${RATE} messages/s on ${PODS} pods`,
        unit: "ms",
        groups: bars.map(([name]) => name.replace(" ms", "")),
        series: field.map((name) => ({
          name,
          values: bars.map(([, value]) => spreadOf(valuesOf(name, value))),
        })),
      }),
    );
    report.goal({
      goal: `delivery p99 at ${RATE}/s, ours ÷ relay`,
      ratio: ratioOf(
        valuesOf("ours", (turn) => turn.delivery.p99),
        valuesOf("relay", (turn) => turn.delivery.p99),
      ),
      limit: 2,
      best: "low",
    });
  },
};
