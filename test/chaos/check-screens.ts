import { deadline, type Finding, isForAll, type Result } from "./finding.ts";
import { type Connection, group, type History, of } from "./history.ts";
import type { User } from "./ledger.ts";
import { absences, doubts, evictedBy, type Gap } from "./spans.ts";

/** How long a user is there before all screens must show them: so long the repair of a lost event may take. */
const SETTLED_MS = 5_000;

/**
 * P4, as staff see it: each snapshot lists the users who are there, and nobody else. At quiet points the same holds for a
 * screen that has followed the events since.
 */
export function checkScreens(history: History): Result {
  const { connections, users, faults } = history;
  const findings: Finding[] = [];
  const staffOf = group([...users.values()], ({ organisation }) => organisation);
  const gapsOf = new Map(
    [...users.keys()].map((user) => [user, { absent: absences(user, history), doubted: doubts(user, history) }]),
  );
  const compared = { snapshots: 0, screens: 0 };

  function compare(
    what: "snapshot" | "screen",
    t: number,
    connection: Connection,
    shown: Set<string>,
    among: User[],
  ): void {
    compared[`${what}s`]++;
    for (const { user, name } of among) {
      const { absent, doubted } = gapsOf.get(user) as { absent: Gap[]; doubted: Gap[] };
      const about = `${name} (${user}), as ${connection.id} on ${connection.pod} saw`;
      if (shown.has(user) && isAway(absent, t))
        findings.push({ promise: "P4", what: `a ghost on a ${what}`, t, about });
      if (shown.has(user) || !isThere(doubted, t)) continue;
      findings.push({ promise: "P4", what: `missing on a ${what}`, t, about: about + tookBack(connection, user, t) });
    }
  }
  const isAway = (absent: Gap[], t: number) =>
    absent.some((gap) => gap.to > t && Number.isFinite(gap.from) && evictedBy(gap, history) + SETTLED_MS < t);
  /** There for so long that no fault excuses a screen without them. */
  const isThere = (doubted: Gap[], t: number) => {
    const since = Math.max(...doubted.filter(({ from }) => from < t).map(({ to }) => to));
    return since < t && deadline(since, SETTLED_MS, faults) < t;
  };

  // The library's screens are judged as a whole (check-library.ts).
  const judged = [...connections.values()].filter(({ isLibrary }) => !isLibrary);
  for (const connection of judged) {
    for (const { t, online } of connection.snapshots) {
      // A pod without Redis knows only its own connections.
      const isBlind = faults.some(
        (fault) =>
          t > fault.t && t < fault.end + SETTLED_MS && (isForAll(fault) || fault.pods.includes(connection.pod)),
      );
      if (online && !isBlind)
        compare("snapshot", t, connection, new Set(online), staffOf.get(connection.user.organisation) ?? []);
    }
  }
  for (const { t } of of(history.entries, "quiet")) {
    for (const connection of judged) {
      if (connection.user.role === 0 || connection.openedAt + SETTLED_MS > t || connection.to <= t) continue;
      const others = (staffOf.get(connection.user.organisation) ?? []).filter(
        ({ user, role }) => role > 0 && user !== connection.user.user,
      );
      compare("screen", t, connection, screenAt(connection, t), others);
    }
  }
  return { findings, figures: { "snapshots compared": compared.snapshots, "screens compared": compared.screens } };
}

/** A hint at the reason: the last snapshot was older than an event before it. */
function tookBack({ snapshots, received, from }: Connection, user: string, t: number): string {
  const last = snapshots.findLast((snapshot) => snapshot.t <= t);
  const before = received.findLast((entry) => entry.t <= (last?.t ?? from) && entry.about === user);
  if (!last || before?.event !== "staff_goes_online" || last.online?.includes(user)) return "";
  return `: the event came at ${before.t}, and the snapshot of ${last.t} lacked the user`;
}

/** The users online on a screen that treats each snapshot as the state and follows the events after it. */
function screenAt({ snapshots, received }: Connection, t: number): Set<string> {
  const last = snapshots.findLast((snapshot) => snapshot.t <= t);
  const online = new Set(last?.online);
  for (const { t: at, event, about } of received) {
    if (!last || at < last.t || at > t || !about) continue;
    if (event === "staff_goes_online") online.add(about);
    if (event === "staff_goes_offline") online.delete(about);
  }
  return online;
}
