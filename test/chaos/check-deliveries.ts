import { type Audience, audiencesOf, isChange, rowOf, staffByOrganisation } from "./audience.ts";
import { dueBy, healTime } from "./due.ts";
import type { Finding, Result } from "./finding.ts";
import { type Attempt, type Chat, type Connection, chatAt, type History, isLeave, type Row } from "./history.ts";
import type { SnapshotChat, User } from "./ledger.ts";

/** How many messages of a chat a snapshot has. */
const SNAPSHOT_MESSAGES = 100;
/** How long before it is received a snapshot may have been read. */
const READING_MS = 1_000;

/** A row that a connection must receive, and as which event. */
type Due = { row: Row; chat: Chat; event: string };

/**
 * P2: every stored row reaches every connection of its audience, live or by a snapshot after it. A message that was never
 * acked is promised to nobody; a change of a chat counts when it is stored.
 */
export function checkDeliveries(history: History): Result {
  const { chats, connections, connectionsOf, attemptsOf, settings } = history;
  const findings: Finding[] = [];
  const staffOf = staffByOrganisation(history);
  const seenBy = new Map(
    [...connectionsOf.values()].flat().map((connection) => [connection, rowsSeenBy(connection, chats)]),
  );
  let [deliveries, worstHealMs, late] = [0, 0, 0];

  function look(connection: Connection, { row, chat, event }: Due, sending: Attempt[]): void {
    const isMessage = row.kind === "message";
    const acks = sending.filter(({ ok }) => ok).map(({ answeredAt }) => answeredAt);
    if (isMessage && acks.length === 0) return;
    const from = Math.max(row.t, connection.openedAt, ...(acks.length > 0 ? [Math.min(...acks)] : []));
    const senders = sending.map((attempt) => connections.get(attempt.connection)?.pod ?? "?");
    const until = dueBy({ connection, from, pods: isMessage ? senders : undefined }, history);
    const known = seenBy.get(connection)?.(row, event, chat);
    const seenAt = known?.t ?? Number.POSITIVE_INFINITY;
    if (seenAt > until && connection.to <= until) return;
    deliveries++;
    if (seenAt <= until) {
      worstHealMs = Math.max(worstHealMs, healTime(seenAt, until, settings.healMs));
      return;
    }
    late++;
    const name = `${event}, number ${row.number} of chat ${chat.chat} (${row.kind} by ${row.sender} at ${row.t})`;
    const when = Number.isFinite(seenAt)
      ? `received ${seenAt - until} ms too late`
      : `not received by ${Math.round(until)}`;
    const lost = isMessage ? "a message was lost" : "a change was lost";
    const what = known && known.first <= until ? "a snapshot was older than an event before it" : lost;
    findings.push({ promise: "P2", what, t: row.t, about: `${connection.id} on ${connection.pod}: ${name}, ${when}` });
  }

  for (const chat of chats.values()) {
    const staff = staffOf(chat.organisation);
    for (const row of chat.rows) {
      const sending = attemptsOf.get(`${row.sender}/${row.id}`) ?? [];
      const acting = actingConnections(row, sending, history);
      for (const audience of audiencesOf(row, chat, staff)) {
        for (const [user, event] of audience) {
          for (const connection of connectionsOf.get(user) ?? []) {
            if (connection.isLibrary || connection.to <= row.t || acting.has(connection.id)) continue;
            if (connection.openedAt <= row.t || isInScope(connection, chat, row, audience))
              look(connection, { row, chat, event }, sending);
          }
        }
      }
    }
  }
  return { findings, figures: { deliveries, "lost or late": late, "worst heal, ms": Math.round(worstHealMs) } };
}

/**
 * Whether a row is due though its connection opened later: it is a message of a chat that the connection's snapshot shows,
 * and not too long ago.
 */
function isInScope({ from, openedAt, user }: Connection, chat: Chat, row: Row, audience: Audience): boolean {
  if (!Number.isFinite(openedAt) || row.kind !== "message") return false;
  const last = chat.rows.at(-1);
  if (last && isLeave(last) && last.t <= openedAt) return false;
  const state = chatAt(chat, openedAt);
  if (!state?.isOpen || !isRecent(row, state.last)) return false;
  if (user.role === 0) return true;
  // A take-over while the snapshot was read comes as an event, and isn't in the snapshot.
  if (chatAt(chat, from)?.servedBy !== state.servedBy) return false;
  // Monitors receive copies live; no snapshot has them.
  if (audience.get(user.user)?.endsWith("_for_supervisor")) return false;
  return state.servedBy === user.user || state.servedBy === null;
}

/** When a row was first known, and since when for good. */
type Known = { first: number; t: number };

/**
 * Answers when a connection knew of a row for good, from an event or from a snapshot. A client treats each snapshot as the
 * state: a snapshot that is older than the event before it undoes that event.
 */
function rowsSeenBy(connection: Connection, chats: Map<string, Chat>) {
  const { received, snapshots, user } = connection;
  const times = new Map<string, number[]>();
  const put = (key: string, t: number) => times.set(key, [...(times.get(key) ?? []), t]);
  for (const { t, event, chat: id, number, about } of received) {
    const chat = chats.get(id ?? "");
    const row = chat && (number !== undefined || isChange(event)) ? rowOf(event, about, chat, number) : undefined;
    if (row) put(row.kind === "message" ? keyOf(row) : `${event} ${keyOf(row)}`, t);
  }
  for (const { t, chats: shown } of snapshots) {
    for (const { chat, messages } of shown) for (const [number] of messages) put(keyOf({ chat, number }), t);
  }
  return (row: Row, event: string, chat: Chat): Known | null => {
    const known = [...(times.get(keyOf(row)) ?? [])];
    if (row.kind !== "message") {
      known.push(...(times.get(`${event} ${keyOf(row)}`) ?? []));
      known.push(
        ...snapshots.flatMap(({ t, chats: shown }) => (t >= row.t && showsChange(row, event, shown) ? [t] : [])),
      );
    }
    if (known.length === 0) return null;
    const undoing = snapshots.findLast((one) => one.t > Math.min(...known) && undoes(one, row, chat, user))?.t ?? 0;
    const kept = known.filter((t) => t >= undoing);
    return { first: Math.min(...known), t: Math.min(Number.POSITIVE_INFINITY, ...kept) };
  };
}

/** Whether a client that starts anew from this snapshot doesn't know of the row any more, though it should. */
function undoes({ t, chats: shown }: Connection["snapshots"][number], row: Row, chat: Chat, user: User): boolean {
  const place = shown.find((one) => one.chat === row.chat);
  if (row.kind === "claimed") return place?.as === "queued";
  if (isLeave(row)) return place !== undefined;
  if (row.kind === "takenOver") return place?.as === "active" && row.servedBefore === user.user;
  if (place)
    return isRecent(row, place.messages.at(-1)?.[0] ?? 0) && !place.messages.some(([number]) => number === row.number);
  const state = chatAt(chat, t);
  if (!state?.isOpen || !isRecent(row, state.last)) return false;
  if (chatAt(chat, t - READING_MS)?.servedBy !== state.servedBy) return false;
  return user.role === 0 || state.servedBy === user.user || state.servedBy === null;
}

const isRecent = (row: Row, last: number) => row.number > last - SNAPSHOT_MESSAGES;
const keyOf = ({ chat, number }: { chat: string; number: number }) => `${chat} ${number}`;

/** A snapshot shows a chat that was claimed or closed in another place than before. It never shows the copies for monitors. */
function showsChange(row: Row, event: string, shown: SnapshotChat[]): boolean {
  if (event.endsWith("_for_supervisor") || event === "agent_new_chat" || event === "staff_take_over_chat") return false;
  const place = shown.find((one) => one.chat === row.chat)?.as;
  if (event === "staff_claim_chat" || event === "visitor_leave_queue") return place !== "queued";
  if (isLeave(row)) return place === undefined;
  return event === "staff_being_taken_over_chat" && place === undefined;
}

/** The connections that made the row themselves: they have the ack. */
function actingConnections(row: Row, sending: Attempt[], { changesOf }: History): Set<string> {
  const tried =
    row.kind === "message"
      ? sending
      : (changesOf.get(row.sender) ?? []).filter(
          ({ chat, t }) => t <= row.t && (chat === undefined || chat === row.chat),
        );
  return new Set(tried.map(({ connection }) => connection));
}
