import { deadline, type Finding, isForAll, type Result } from "./finding.ts";
import type { Connection, History } from "./history.ts";
import { isLeave, of } from "./history.ts";
import type { Entry } from "./ledger.ts";

/** How soon all connections have to be back. Another rule checks that nobody was seen to leave meanwhile. */
const BACK_MS = 30_000;

/** P5: a rolling restart moves all connections to other pods, and nobody is seen to leave. */
export function checkRestarts(history: History): Result {
  const findings: Finding[] = [];
  const find = (what: string, t: number, about: string) => findings.push({ promise: "P5", what, t, about });
  const restarts = history.faults.filter((fault) => fault.restarts);
  let [moved, slowestMs] = [0, 0];

  for (const restart of restarts) {
    const moving = [...history.connections.values()].filter((connection) => isMoving(connection, restart));
    for (const connection of moving) {
      moved++;
      const by = deadline(connection.to, BACK_MS, history.faults.filter(isForAll));
      const back = (history.connectionsOf.get(connection.user.user) ?? []).find(
        ({ client, openedAt, from }) =>
          client === connection.client && from >= connection.to && Number.isFinite(openedAt),
      );
      if (back && back.openedAt <= by) slowestMs = Math.max(slowestMs, back.openedAt - connection.to);
      else if (!hasGivenUp(connection, by, history)) {
        const when = back ? `only after ${back.openedAt - connection.to} ms` : "never";
        find(
          "not back after a restart",
          connection.to,
          `${connection.id}, disconnected by ${connection.pod} (back ${when})`,
        );
      }
    }
    const until = restart.end + history.settings.leaseMs + history.settings.graceMs + 2_000;
    const innocent = moving.filter((connection) => !hasLeft(connection, restart.t, until, history));
    checkNobodyLeft(new Set(innocent.map(({ user }) => user.user)), restart.t, until, history, find);
  }
  const figures = { restarts: restarts.length, "connections moved": moved, "slowest back, ms": Math.round(slowestMs) };
  return { findings, figures };
}

const isMoving = ({ pod, to, why }: Connection, { pods, t, end }: Entry<"fault">) =>
  pods.includes(pod) && why === "dropped" && to >= t && to <= end;

/** Its user closed the client before it could be back. */
function hasGivenUp({ client, to, user }: Connection, by: number, { entries, end, connectionsOf }: History): boolean {
  const isMeanwhile = (t: number) => t >= to && t <= by;
  return (
    by >= end ||
    of(entries, "gave up").some((entry) => entry.client === client && isMeanwhile(entry.t)) ||
    (connectionsOf.get(user.user) ?? []).some(
      (one) => one.client === client && one.why !== "dropped" && isMeanwhile(one.to),
    )
  );
}

/** A user who began to leave so long before a restart may be away after it. */
const BEFORE_MS = 15_000;

/** Whether the user ended a connection by choice around the restart: what follows may be because of that. */
function hasLeft({ user, client }: Connection, from: number, until: number, history: History): boolean {
  const { connectionsOf, entries, changesOf } = history;
  const isAround = (t: number) => t >= from - BEFORE_MS && t <= until;
  return (
    (connectionsOf.get(user.user) ?? []).some(({ to, why }) => why !== "dropped" && isAround(to)) ||
    (changesOf.get(user.user) ?? []).some(({ event, t }) => event.endsWith("_leave_room") && isAround(t)) ||
    of(entries, "gave up").some((entry) => entry.client === client && isAround(entry.t))
  );
}

function checkNobodyLeft(
  innocent: Set<string>,
  from: number,
  until: number,
  { chats, connections }: History,
  find: (what: string, t: number, about: string) => void,
): void {
  for (const { chat, rows } of chats.values()) {
    for (const row of rows) {
      const { sender, t } = row;
      if (isLeave(row) && t >= from && t <= until && innocent.has(sender))
        find("a chat was closed by a restart", t, `chat ${chat}: ${sender}`);
    }
  }
  for (const { id, received } of connections.values()) {
    for (const { event, about, t } of received) {
      if (event !== "staff_goes_offline" || t < from || t > until || !innocent.has(about ?? "")) continue;
      find("somebody was shown offline by a restart", t, `${about}, as ${id} received`);
    }
  }
}
