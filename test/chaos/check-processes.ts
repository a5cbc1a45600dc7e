import { refusals } from "../../src/contract/errors.ts";
import { deadline, type Finding, type Result } from "./finding.ts";
import { type Attempt, type History, of } from "./history.ts";
import { NO_LOG_LINE } from "./ledger.ts";

/** How long a shutdown may take beyond the time to disconnect all clients. */
const EXIT_MS = 5_000;
/** How soon a pod is ready again when the database is back. */
const READY_MS = 5_000;
/** How soon events on a connection are answered again when its pod and the database are well. */
const ANSWERING_MS = 2_000;

type Find = (what: string, t: number, about: string) => void;

/** P6: no process dies or stumbles; without Redis everything is still done, and the database alone can stop it. */
export function checkProcesses(history: History): Result {
  const findings: Finding[] = [];
  const find: Find = (what, t, about) => findings.push({ promise: "P6", what, t, about });
  checkExits(history, find);
  checkOutput(history, find);
  checkReadiness(history, find);
  const figures = checkAnswers(history, find);
  return { findings, figures };
}

function checkExits({ entries, settings }: History, find: Find): void {
  for (const { pod, code, asked, askedAt, t } of of(entries, "pod ended")) {
    if (asked === null) find("a pod died", t, `${pod} ended with ${code}`);
    if (asked !== "SIGTERM") continue;
    const tookMs = t - (askedAt ?? t);
    if (code !== 0) find("a pod didn't stop cleanly", t, `${pod} ended with ${code}, ${tookMs} ms after SIGTERM`);
    if (tookMs > settings.drainMs + EXIT_MS) find("a pod stopped too slowly", t, `${pod} took ${tookMs} ms`);
  }
}

function checkOutput({ entries }: History, find: Find): void {
  const known = new Set<string>();
  for (const { pod, t, said, line } of of(entries, "pod said")) {
    // Other errors that are logged and tried again are what a fault looks like from inside.
    if (said !== NO_LOG_LINE && said !== "unexpected error") continue;
    const key = line.replace(/\d+/g, "0").slice(0, 300);
    if (!known.has(key)) find(said, t, `${pod}: ${line.slice(0, 300)}`);
    known.add(key);
  }
}

function checkReadiness({ entries, faults, end }: History, find: Find): void {
  const samples = of(entries, "readiness");
  for (const fault of faults) {
    if (fault.of === "redis") {
      const refusing = samples.filter(({ t, status }) => t >= fault.t && t <= fault.end && status === 503);
      for (const { pod, t } of refusing) find("unready without Redis", t, `${pod}, ${fault.name}`);
    }
    if (fault.of !== "postgres") continue;
    const at = deadline(fault.end, READY_MS, faults);
    const later = samples.filter(({ t }) => t <= at);
    const stopped = new Set(
      of(entries, "pod ended").flatMap(({ pod, t, askedAt }) => ((askedAt ?? t) <= at ? [pod] : [])),
    );
    const last = new Map(later.map(({ pod, status }) => [pod, status]));
    for (const [pod, status] of last) {
      if (status !== 200 && !stopped.has(pod) && at < end)
        find("not ready again", at, `${pod} says ${status}, ${fault.name} ended at ${fault.end}`);
    }
  }
}

/**
 * "Internal error" never; "unavailable" only while the database is away; without Redis every message is acked; no answer at
 * all only with an excuse.
 */
function checkAnswers(history: History, find: Find): Record<string, number> {
  const { attempts, faults, connections } = history;
  const ofDatabase = faults.filter(
    ({ of: what, name }) => what === "postgres" || what === "harness" || name.includes("postgres"),
  );
  const ofRedis = faults.filter(({ of: what }) => what === "redis");
  let withoutRedis = 0;
  for (const attempt of attempts) {
    const { ok, why, answeredAt, connection, event } = attempt;
    const about = `${event} on ${connection} (${connections.get(connection)?.pod})`;
    if (why === refusals.internal.sentence) find("internal error", answeredAt, about);
    if (why === refusals.unavailable.sentence && !ofDatabase.some((fault) => isDuring(attempt, fault, READY_MS))) {
      find("unavailable for no reason", answeredAt, about);
    }
    const isUnanswered = ok === null && why !== null && /timed out/.test(why);
    if (isUnanswered && !hasExcuse(attempt, history)) find("no answer for no reason", attempt.t, about);
    const fault = ofRedis.find(({ t, end }) => attempt.t >= t && attempt.t <= end);
    if (!attempt.id || !fault) continue;
    withoutRedis++;
    if (isUnanswered || why === refusals.internal.sentence || why === refusals.unavailable.sentence) {
      find("a failed send without Redis", attempt.t, `${about}: ${why}, ${fault.name}`);
    }
  }
  return { "sends without Redis": withoutRedis };
}

/** For no answer: what its pod or the database went through, or that the connection broke, or its client didn't read. */
function hasExcuse(attempt: Attempt, { connections, faults }: History): boolean {
  const connection = connections.get(attempt.connection);
  if (!connection || connection.to <= attempt.answeredAt) return true;
  const concerned = faults.filter(({ of: what, pods }) =>
    what === "pods" ? pods.includes(connection.pod) : what !== "redis",
  );
  return (
    concerned.some((fault) => isDuring(attempt, fault, ANSWERING_MS)) ||
    connection.pauses.some((pause) => isDuring(attempt, pause, 0))
  );
}

const isDuring = ({ t, answeredAt }: Attempt, fault: { t: number; end: number }, afterMs: number) =>
  answeredAt >= fault.t && t <= fault.end + afterMs;
