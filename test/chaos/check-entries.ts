import { type Finding, type Result, SLACK_MS } from "./finding.ts";
import { type Chat, type History, isLeave, of, type Row } from "./history.ts";

/** P1: each row is stored with its kind, its cause and its serving staff member; the internal log is numbered without gap. */
export function checkEntries(history: History): Result {
  const findings: Finding[] = [];
  const find = (what: string, t: number, about: string) => findings.push({ promise: "P1", what, t, about });
  let [rowCount, flagCount] = [0, 0];

  for (const chat of history.chats.values()) {
    rowCount += chat.rows.length;
    flagCount += chat.flags.length;
    for (const row of chat.rows) {
      const { kind, t, stored, servedAfter } = row;
      const about = `number ${row.number} of chat ${chat.chat}, ${kind} by ${row.sender}, stored as ${JSON.stringify(stored)}`;
      if (stored.kind !== kind) find("a wrong kind", t, about);
      if (!mayBeCause(stored.cause, row, chat, history)) find("a wrong cause", t, about);
      if (stored.servedBy !== servedAfter) find("a wrong staff member", t, `${about}, served by ${servedAfter}`);
      if (!isRightData(row)) find("wrong data", t, about);
    }
    const { flags, lastInternal, severity } = chat;
    const gap = flags.findIndex(({ number }, index) => number !== index + 1);
    if (gap >= 0 || flags.length !== lastInternal) {
      const about = `chat ${chat.chat}: ${flags.map(({ number }) => number).join()}, its last is ${lastInternal}`;
      find("a gap in the internal numbers", flags[gap]?.t ?? 0, about);
    }
    for (const { t, number, entry, cause, data } of flags) {
      const about = `internal number ${number} of chat ${chat.chat}: ${entry}, ${cause}, ${data}`;
      if (entry !== "flagged") find("a wrong kind", t, about);
      if (cause !== "person") find("a wrong cause", t, about);
    }
    const last = flags.at(-1);
    if ((last?.severity ?? 0) !== severity)
      find("flag and entries differ", last?.t ?? 0, `chat ${chat.chat} has ${severity}, its last entry ${last?.data}`);
  }
  for (const { t, pod, unknown } of of(history.entries, "counted")) {
    if (unknown > 0) find("entries of an unknown kind", t, `${pod} has passed over ${unknown}`);
  }
  return { findings, figures: { rows: rowCount, "internal entries": flagCount } };
}

/** No admin disables a user in a run, and no earlier version runs: only leaves have another cause than a person. */
function mayBeCause(cause: string | null, row: Row, chat: Chat, history: History): boolean {
  if (cause === "loss") return isLeave(row);
  return cause === "person" && (!isLeave(row) || hasLeftByChoice(row, chat, history));
}

/** Whether the leaver asked to leave, or closed a connection by choice, since shortly before the chat began. */
function hasLeftByChoice({ sender, t }: Row, { rows }: Chat, { changesOf, connectionsOf }: History): boolean {
  const since = (rows[0]?.t ?? 0) - BEFORE_MS;
  const isMeanwhile = (at: number) => at >= since && at <= t + SLACK_MS;
  return (
    (changesOf.get(sender) ?? []).some((attempt) => attempt.event.endsWith("_leave_room") && isMeanwhile(attempt.t)) ||
    (connectionsOf.get(sender) ?? []).some(({ why, to }) => why === "choice" && isMeanwhile(to))
  );
}
/** A frozen process carries a leave out so much later. */
const BEFORE_MS = 20_000;

function isRightData({ kind, servedBefore, stored: { data } }: Row): boolean {
  if (kind === "takenOver") return data !== null && JSON.parse(data).from === servedBefore;
  return data === null || data === "{}";
}
