import { FLAG_EVENT } from "./audience.ts";
import { checkAudience } from "./check-audience.ts";
import { checkDeliveries } from "./check-deliveries.ts";
import { checkEntries } from "./check-entries.ts";
import { checkFlags } from "./check-flags.ts";
import { checkLibrary } from "./check-library.ts";
import { checkOwners } from "./check-owners.ts";
import { checkPresence } from "./check-presence.ts";
import { checkProcesses } from "./check-processes.ts";
import { checkRestarts } from "./check-restarts.ts";
import { checkScreens } from "./check-screens.ts";
import { checkStored } from "./check-stored.ts";
import type { Figures, Finding, PromiseName, Result } from "./finding.ts";
import { type History, of, readHistory } from "./history.ts";
import type { Entry } from "./ledger.ts";

const checks: [PromiseName, (history: History) => Result][] = [
  ["P1", checkStored],
  ["P1", checkEntries],
  ["P2", checkDeliveries],
  ["P2", checkFlags],
  ["P2", checkLibrary],
  ["P3", checkOwners],
  ["P4", checkPresence],
  ["P4", checkScreens],
  ["P5", checkRestarts],
  ["P6", checkProcesses],
  ["P7", checkAudience],
  ["leaks", checkLeaks],
];

export type Verdict = { findings: Finding[]; figures: Partial<Record<PromiseName | "run", Figures>> };

/** Which promises a run has broken. It knows nothing but the ledger. */
export function check(entries: Entry[]): Verdict {
  const history = readHistory(entries);
  const verdict: Verdict = { findings: [], figures: {} };
  for (const [promise, look] of checks) {
    const { findings, figures } = look(history);
    verdict.findings.push(...findings);
    verdict.figures[promise] = { ...verdict.figures[promise], ...figures };
  }
  verdict.figures.run = countRun(history);
  return verdict;
}

/** How much there was to keep the promises through. */
function countRun({ entries, connections, faults }: History): Figures {
  const all = [...connections.values()];
  const first = entries[0]?.t ?? 0;
  // A pod that was killed counts as far as the last quiet point before.
  const healed = [...new Map(of(entries, "counted").map((one) => [one.pod, one.healed])).values()].flatMap(
    Object.entries,
  );
  const sum = (counts: [string, number][]) => counts.reduce((all, [, count]) => all + count, 0);
  return {
    seconds: Math.round((Math.max(...of(entries, "quiet").map(({ t }) => t)) - first) / 1000),
    faults: faults.filter((fault) => fault.of !== "harness").length,
    "times the harness stood still": faults.filter((fault) => fault.of === "harness").length,
    connections: all.length,
    "connections lost by script": all.filter(({ why }) => why === "script").length,
    "readers who paused": of(entries, "paused").length,
    "events repaired": sum(healed),
    "of these flags": sum(healed.filter(([event]) => event === FLAG_EVENT)),
  };
}

function checkLeaks({ entries }: History): Result {
  const leftovers = of(entries, "leftover");
  const findings = leftovers.map(({ t, where, what }): Finding => {
    return { promise: "leaks", what: "left behind", t, about: `${where}: ${what}` };
  });
  return { findings, figures: {} };
}
