import { setTimeout as delay } from "node:timers/promises";
import { countedWayTo } from "../../test/support/way.ts";
import { type Arrival, arrive, arriveAll, type Until } from "../load/arrivals.ts";
import type { Measurement } from "../measurement.ts";
import type { Pod } from "../pods.ts";
import { spreadText } from "../report.ts";
import { ratioOf, spreadOf } from "../stats.ts";
import { createPeople } from "./people.ts";

/** By then a server has seen that all connections are lost. It is much less than the grace period. */
const REST_MS = 3_000;

type Turn = { pods: number; bareMs: number; ourMs: number; statements: number };

export const storm: Measurement = {
  name: "storm",
  title: "all staff of an organisation come back at once",
  async run(rig, { rounds, quick }, report) {
    const size = quick ? { staff: 300, visitors: 150, queued: 75 } : { staff: 2_000, visitors: 1_000, queued: 500 };
    const turns: Turn[] = [];
    for (const pods of quick ? [1] : [1, 2]) {
      const databaseUrl = await rig.createDatabase();
      const people = await createPeople(databaseUrl, size);
      const way = await countedWayTo(databaseUrl);
      const urlsOf = (all: Pod[]) => (n: number) => (all[n % all.length] as Pod).url;
      // Ours starts last, because each start of a cluster empties Redis.
      const bare = await rig.startCluster("bare", pods, { databaseUrl });
      const ours = await rig.startCluster("ours", pods, { databaseUrl: way.url });
      const visitors = await arriveAll(urlsOf(ours.pods), people.visitors, "snapshot");
      let staff = await arriveAll(urlsOf(ours.pods), people.staff, "snapshot");
      for (let round = 1; round <= rounds; round++) {
        const theirs = await comeAtOnce(urlsOf(bare.pods), people.staff, "joined");
        for (const arrival of [...theirs.arrivals, ...staff]) arrival.close();
        await delay(REST_MS);
        const before = way.statements();
        const back = await comeAtOnce(urlsOf(ours.pods), people.staff, "snapshot");
        staff = back.arrivals;
        const turn = {
          ...{ pods, bareMs: theirs.tookMs, ourMs: back.tookMs },
          statements: (way.statements() - before) / size.staff,
        };
        turns.push(turn);
        report.step(
          `storm, ${pods} pods, round ${round} of ${rounds}: ${size.staff} staff have their snapshots after ` +
            `${Math.round(turn.ourMs)} ms, bare connections after ${Math.round(turn.bareMs)}; ` +
            `${turn.statements.toFixed(3)} statements each`,
        );
      }
      for (const arrival of [...visitors, ...staff]) arrival.close();
      for (const cluster of [ours, bare]) await cluster.stop();
      await way.close();
      await rig.dropDatabase(databaseUrl);
    }
    report.keep("storm", turns);

    const podCounts = [...new Set(turns.map(({ pods }) => pods))];
    const ofPods = (pods: number) => turns.filter((turn) => turn.pods === pods);
    const values = (some: Turn[], part: keyof Turn) => some.map((turn) => turn[part]);
    const ratio = (some: Turn[]) => ratioOf(values(some, "ourMs"), values(some, "bareMs"));
    report.table({
      title: `Storm: ${size.staff.toLocaleString("en")} staff come back at once`,
      columns: ["pods", "ours ms", "bare ms", "ours ÷ bare", "statements each"],
      rows: podCounts.map((pods) => [
        `${pods}`,
        spreadText(spreadOf(values(ofPods(pods), "ourMs"))),
        spreadText(spreadOf(values(ofPods(pods), "bareMs"))),
        spreadText(ratio(ofPods(pods))),
        spreadText(spreadOf(values(ofPods(pods), "statements"))),
      ]),
    });
    const statements = spreadOf(values(turns, "statements"));
    report.goal({ goal: "storm, statements for each staff", ratio: statements, limit: 0.1, best: "low" });
    report.goal({ goal: "storm, time ÷ bare connects", ratio: ratio(turns), limit: 2, best: "low" });
  },
};

async function comeAtOnce(urlOf: (n: number) => string, tokens: string[], until: Until) {
  const startedAt = performance.now();
  const arrivals: Arrival[] = tokens.map((token, n) => arrive(urlOf(n), token, until));
  await Promise.all(arrivals.map(({ arrived }) => arrived));
  return { arrivals, tookMs: performance.now() - startedAt };
}
