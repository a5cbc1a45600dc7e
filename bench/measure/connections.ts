import { setTimeout as delay } from "node:timers/promises";
import { arriveAll } from "../load/arrivals.ts";
import type { Measurement } from "../measurement.ts";
import type { Memory, Pod } from "../pods.ts";
import { spreadText } from "../report.ts";
import { ratioOf, spreadOf } from "../stats.ts";
import { createPeople } from "./people.ts";

const WARM_UP = 500;

export const connections: Measurement = {
  name: "connections",
  title: "memory of connections that do nothing",
  async run(rig, { rounds, quick }, report) {
    const count = quick ? 1_500 : 8_000;
    // In this time V8 and the allocator give back the memory that the arrivals needed.
    const restMs = quick ? 2_000 : 5_000;
    const databaseUrl = await rig.createDatabase();
    const { visitors } = await createPeople(databaseUrl, { staff: 0, visitors: count, queued: 0 });
    const candidates = ["ours", "bare"] as const;
    const turns: { candidate: (typeof candidates)[number]; rss: number; used: number }[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const candidate of candidates) {
        const cluster = await rig.startCluster(candidate, 1, { databaseUrl });
        const pod = cluster.pods[0] as Pod;
        const come = (tokens: string[]) =>
          arriveAll(() => pod.url, tokens, candidate === "ours" ? "snapshot" : "joined");
        // Warm up, because code that is loaded and compiled once must not count as memory of connections.
        for (const arrival of await come(visitors.slice(0, WARM_UP))) arrival.close();
        await delay(restMs);
        const before = await pod.memory();
        const arrivals = await come(visitors);
        await delay(restMs);
        const after = await pod.memory();
        for (const arrival of arrivals) arrival.close();
        await cluster.stop();
        const each = (part: keyof Memory) => (after[part] - before[part]) / count;
        const turn = { candidate, rss: each("rss"), used: each("used") };
        turns.push(turn);
        report.step(
          `connections, round ${round} of ${rounds}: ${candidate}: ${Math.round(turn.used)} bytes in use and ` +
            `${Math.round(turn.rss)} of the process for each of ${count}`,
        );
      }
    }
    await rig.dropDatabase(databaseUrl);
    report.keep("connections", turns);

    const valuesOf = (candidate: string, part: keyof Memory) =>
      turns.filter((turn) => turn.candidate === candidate).map((turn) => turn[part]);
    const ratio = (part: keyof Memory) => ratioOf(valuesOf("ours", part), valuesOf("bare", part));
    report.table({
      title: `Memory of one of ${count.toLocaleString("en")} idle connections, in bytes`,
      columns: ["", "heap and buffers", "process"],
      rows: [
        ...candidates.map((one) => [
          one,
          spreadText(spreadOf(valuesOf(one, "used"))),
          spreadText(spreadOf(valuesOf(one, "rss"))),
        ]),
        ["ours ÷ bare", spreadText(ratio("used")), spreadText(ratio("rss"))],
      ],
    });
    report.goal({ goal: "memory of an idle connection ÷ bare", ratio: ratio("rss"), limit: 1.15, best: "low" });
  },
};
