import { followersOf, type Staff } from "./audience.ts";
import { SLACK_MS } from "./finding.ts";
import { type Chat, type Connection, type History, isLeave } from "./history.ts";
import type { Entry } from "./ledger.ts";
import { RETURN_MS } from "./spans.ts";

/**
 * How long a signal may be under way to a slow client. It goes to the followers of the chat as it was when the signal was sent.
 * The rule is about the receivers, not about the time.
 */
const SIGNAL_MS = 10_000;

/** Whether a connection may receive that a chat's visitor went online or offline: its user follows the chat, or did a moment ago. */
export function mayReceiveSignal(
  received: Entry<"received">,
  { connection, chat, staff }: { connection: Connection; chat: Chat; staff: Staff },
  { faults }: History,
): boolean {
  const { user } = connection.user;
  if (received.about !== chat.visitor || user === chat.visitor) return false;
  const since = sentSince(received, connection, faults);
  const until = received.t + SLACK_MS;
  return chat.rows.some((row, index) => {
    const next = chat.rows[index + 1]?.t ?? Number.POSITIVE_INFINITY;
    if (row.t > until || next < since) return false;
    const status = isLeave(row) ? "closed" : row.servedAfter === null ? "unclaimed" : "claimed";
    return followersOf(status, { visitor: chat.visitor, servedBy: row.servedAfter }, staff).includes(user);
  });
}

/** A signal may wait for the connection's snapshot, for a client that doesn't read, or for a fault's end. */
function sentSince({ t }: Entry<"received">, { from, openedAt, pauses }: Connection, faults: Entry<"fault">[]): number {
  const waits = [...pauses, ...faults].filter((one) => one.t <= t && t <= one.end + RETURN_MS);
  const snapshot = t <= openedAt + SLACK_MS ? [from] : [];
  return Math.min(t, ...snapshot, ...waits.map((one) => one.t)) - SIGNAL_MS;
}
