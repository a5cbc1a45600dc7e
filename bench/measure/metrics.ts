import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CpuProfile, shareOf } from "../cpu-profile.ts";
import type { Measurement } from "../measurement.ts";
import { spreadText } from "../report.ts";
import { spreadOf } from "../stats.ts";
import { runMessages } from "./messages.ts";

/** Metrics that cost more than this part of a message's CPU time need a faster way to count than prom-client's. */
const LIMIT = 0.02;

export const metrics: Measurement = {
  name: "metrics",
  title: "prom-client's part of the CPU time of one pod at saturation, by CPU profile",
  async run(rig, { rounds, seconds, quick }, report) {
    const turns: { share: number; podUs: number }[] = [];
    for (let round = 1; round <= rounds; round++) {
      const folder = mkdtempSync(join(tmpdir(), "bench-profile-"));
      try {
        const cluster = await rig.startCluster("ours", 1, { cpuProf: folder });
        const { podUs } = await runMessages(cluster, { seconds, quick }).finally(() => cluster.stop());
        const [file = "no profile"] = readdirSync(folder);
        const profile = JSON.parse(readFileSync(join(folder, file), "utf8")) as CpuProfile;
        const share = shareOf(profile, {
          isChosen: (url) => url.includes("/prom-client/"),
          // The start of the process doesn't count.
          lastMs: seconds * 1_000,
        });
        turns.push({ share, podUs });
        report.step(`metrics, round ${round} of ${rounds}: ${(share * 100).toFixed(2)} % of the CPU time`);
      } finally {
        rmSync(folder, { recursive: true });
      }
    }
    report.keep("metrics", turns);
    report.table({
      title: "Metrics of one pod at saturation (medians, in brackets the least and the greatest)",
      columns: ["", "pod CPU µs", "of these prom-client µs"],
      rows: [
        [
          "ours",
          spreadText(spreadOf(turns.map(({ podUs }) => podUs))),
          spreadText(spreadOf(turns.map(({ podUs, share }) => podUs * share))),
        ],
      ],
    });
    const ratio = spreadOf(turns.map(({ share }) => share));
    report.goal({ goal: "prom-client ÷ all CPU time, pods: 1", ratio, limit: LIMIT, best: "low" });
  },
};
