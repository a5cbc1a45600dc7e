import { deadline, isForAll, SLACK_MS } from "./finding.ts";
import type { Connection, History } from "./history.ts";

/**
 * By when a connection must have received a row that exists since `from`. A fault on the way starts the time anew, and so
 * does a client that doesn't read.
 * @param pods the pods that stored the row; undefined when any pod may have
 */
export function dueBy(
  { connection, from, pods }: { connection: Connection; from: number; pods: Iterable<string> | undefined },
  { faults, settings }: Pick<History, "faults" | "settings">,
): number {
  const onTheWay = pods && new Set([connection.pod, ...pods]);
  const excusing = faults.filter(
    (fault) =>
      fault.end + settings.healMs > from &&
      (isForAll(fault) || !onTheWay || fault.pods.some((pod) => onTheWay.has(pod))),
  );
  const pauses = connection.pauses.filter(({ end }) => end + settings.healMs > from);
  const excuses = pauses.length > 0 ? [...excusing, ...pauses].sort((a, b) => a.t - b.t) : excusing;
  return deadline(from, settings.healMs, excuses) + SLACK_MS;
}

/** How long after such a deadline's last excuse a row came. */
export const healTime = (seenAt: number, until: number, healMs: number): number => seenAt - (until - healMs - SLACK_MS);
