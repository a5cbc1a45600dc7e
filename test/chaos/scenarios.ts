import { setTimeout as delay } from "node:timers/promises";
import type { Cluster } from "./cluster.ts";
import { type Draw, type FaultKind, type FaultName, faultKinds, podOf } from "./faults.ts";
import type { Ledger } from "./ledger.ts";
import type { Options } from "./options.ts";
import type { Random } from "./random.ts";
import { schedule } from "./schedule.ts";

export type Stage = {
  cluster: Cluster;
  options: Options;
  ledger: Ledger;
  random: Random;
  /** Compares what everybody believes with the truth. */
  quiet(): Promise<void>;
  /** Called with the name of the fault, and with null when it is over. */
  onFault(name: string | null): void;
};

/** How long everybody has to arrive and to find each other before the first fault. */
const BEGINNING_MS = 6_000;

export async function playScenario(stage: Stage): Promise<void> {
  const { options, quiet } = stage;
  const forMs = options.minutes * 60_000;
  await delay(BEGINNING_MS);
  await quiet();
  if (options.scenario === "random") await playRandom(stage, Date.now() + forMs);
  if (options.scenario === "rolling") await playRolling(stage, Date.now() + forMs);
  if (options.scenario === "calm") await playNothing(stage, Date.now() + forMs);
  if (options.scenario === "redis-away") {
    await suffer(stage, "redis restarted empty", { ms: forMs, pod: 0, slowMs: 0 });
    await delay(20_000);
    await quiet();
  }
}

async function playRandom(stage: Stage, until: number): Promise<void> {
  const { options, random, quiet } = stage;
  for (const { name, afterMs, draw } of schedule(random, options)) {
    await suffer(stage, name, draw);
    await delay(afterMs);
    await quiet();
    if (Date.now() > until) return;
  }
}

/** Again and again, and at least once. */
async function playRolling(stage: Stage, until: number): Promise<void> {
  do {
    await suffer(stage, "rolling restart", { ms: 0, pod: 0, slowMs: 0 });
    await delay(stage.options.gapMs);
    await stage.quiet();
  } while (Date.now() < until);
}

async function playNothing({ options, quiet }: Stage, until: number): Promise<void> {
  do {
    await delay(options.gapMs);
    await quiet();
  } while (Date.now() < until);
}

async function suffer({ cluster, ledger, onFault }: Stage, name: FaultName, draw: Draw): Promise<void> {
  const kind: FaultKind = faultKinds[name];
  const concerned = name === "rolling restart" ? cluster.pods() : [podOf(cluster, draw)];
  const pods = kind.of === "pods" ? concerned.map((pod) => pod.name) : [];
  onFault([name, ...pods].join(" "));
  const t = Date.now();
  const worksSince = await kind.run(cluster, draw);
  const { isolates = false, losesPresence = false, restarts = false } = kind;
  ledger.note({
    ...{ kind: "fault", t, name, of: kind.of, end: worksSince ?? Date.now() },
    ...{ pods, isolates, losesPresence, restarts, about: `${draw.ms} ms, ${draw.slowMs} ms slow` },
  });
  onFault(null);
}
