import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LEASE_MS, TOUCH_INTERVAL_MS } from "../../src/presence/presence.ts";
import { createOrganisations } from "./accounts.ts";
import { check, type Verdict } from "./check.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { startCrowd } from "./crowd.ts";
import { type Ledger, openLedger, readLedgers, type Settings } from "./ledger.ts";
import type { Options } from "./options.ts";
import { populate } from "./population.ts";
import { showProgress } from "./progress.ts";
import { createRandom } from "./random.ts";
import { playScenario } from "./scenarios.ts";
import { noteCounters, noteLeftovers, noteTruth } from "./truth.ts";
import { watchOurselves } from "./watch.ts";

/** How often a pod repairs from the database what Redis lost: docs/OPERATIONS.md, "How a process behaves". */
const REPAIR_MS = 15_000;
const HEAL_MS = 5_000;

export type Outcome = Verdict & { folder: string; isKept: boolean };

/** Runs a scenario from an empty world to an empty one, and checks what was written down. */
export async function run(options: Options, say: (line: string) => void): Promise<Outcome> {
  const folder = options.out ?? mkdtempSync(join(tmpdir(), "chaos-"));
  mkdirSync(folder, { recursive: true });
  const ledger = openLedger(join(folder, "ledger.jsonl"));
  const settings: Settings = {
    ...{ seed: options.seed, scenario: options.scenario, graceMs: options.graceMs, drainMs: options.drainMs },
    ...{ leaseMs: LEASE_MS, touchMs: TOUCH_INTERVAL_MS, repairMs: REPAIR_MS, healMs: HEAL_MS },
  };
  ledger.note({ kind: "settings", ...settings });
  const env = {
    RECONNECT_GRACE_MS: `${options.graceMs}`,
    DRAIN_MS: `${options.drainMs}`,
    ...options.env,
  };
  const cluster = await startCluster({ redis: options.redis, pods: options.pods, env, folder, ledger });
  const interrupted = async () => {
    await cluster.stop();
    process.exit(130);
  };
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, interrupted);
  try {
    await play(cluster, options, settings, { ledger, folder, say });
  } finally {
    await cluster.stop();
    await ledger.close();
  }
  const files = readdirSync(folder).filter((file) => file.endsWith(".jsonl"));
  const verdict = check(await readLedgers(files.map((file) => join(folder, file))));
  const isKept = options.keep || options.out !== undefined || verdict.findings.length > 0;
  if (!isKept) rmSync(folder, { recursive: true });
  return { ...verdict, folder, isKept };
}

type Around = { ledger: Ledger; folder: string; say: (line: string) => void };

async function play(
  cluster: Cluster,
  options: Options,
  settings: Settings,
  { ledger, folder, say }: Around,
): Promise<void> {
  const { seed, organisations: count, agents, visitors, rate, graceMs } = options;
  const random = createRandom(seed);
  const progress = showProgress(cluster, ledger, say);
  const stopWatching = watchOurselves(ledger);
  const watched = { ...ledger, note: progress.note };
  const dice = random.fork("load balancer");
  const screens = new Set<() => void>();
  const network = { ledger: watched, pick: () => dice.pick(cluster.urls()), nameOf: cluster.nameOf, screens };
  const organisations = await createOrganisations(cluster.postgres.url, { count, agents, ledger });
  const crowd = startCrowd({ cluster, folder, organisations, random, connections: options.connections, graceMs });
  try {
    await crowd.arrived();
    const population = populate({ organisations, network, random, graceMs, visitors, rate });
    const quiet = async () => {
      await population.probe();
      for (const noteScreen of screens) noteScreen();
      ledger.note({ kind: "quiet" });
      await noteCounters(cluster, ledger);
    };
    await playScenario({ cluster, options, ledger, random: random.fork("faults"), quiet, onFault: progress.fault });
    progress.ending();
    await population.endLoad();
    // The last messages have their time to arrive as well.
    await delay(settings.healMs + 1_000);
    await quiet();
    population.leave();
    await crowd.leave();
    await noteLeftovers(cluster, settings, ledger);
    await noteTruth(cluster.postgres.url, ledger);
    await cluster.stopPods();
  } finally {
    stopWatching();
    progress.stop();
    crowd.stop();
  }
}
