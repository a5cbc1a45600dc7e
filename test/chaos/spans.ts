// When a user was there and when not: the measure of presence.
import { deadline, isForAll, SLACK_MS } from "./finding.ts";
import { type Chat, type Connection, chatAt, type History, isLeave, isTaking, type Row } from "./history.ts";

/** A time without a connection, from..to; `byChoice` when it began with a leave by choice. */
export type Gap = { from: number; to: number; byChoice: boolean; pods: string[] };

/** How long after a return a leave that had begun before may still take to be stored and received. */
export const AFTERMATH_MS = 2_000;
/** So long others take to finish an eviction that a dead or frozen pod had begun. */
const CLAIM_MS = 5_000;
/** How long a pod that comes back takes to register its connections: a touch and its statements. */
export const RETURN_MS = 3_000;

type Span = { from: number; to: number; byChoice: boolean; pod: string };

/** The times in which a user had no connection at all. */
export function absences(user: string, history: History): Gap[] {
  return gapsBetween((history.connectionsOf.get(user) ?? []).map(spanOf), history.end);
}

/**
 * The times in which a user may rightly count as absent, should these times last longer than the grace period. Without a
 * snapshot the user isn't there yet. A pod that is frozen, or cut off from Redis, may have lost its lease and can't register
 * new users.
 */
export function doubts(user: string, history: History): Gap[] {
  const { connectionsOf, faults, settings, end } = history;
  const served = (connectionsOf.get(user) ?? []).filter(({ openedAt }) => Number.isFinite(openedAt));
  const spans = served.flatMap((connection) => {
    let spans: Span[] = [{ ...spanOf(connection), from: connection.openedAt }];
    for (const fault of faults) {
      if (!fault.isolates || !fault.pods.includes(connection.pod)) continue;
      // A user who comes while the pod can't register them counts as absent; earlier users have the rest of the lease.
      const isNew = connection.openedAt >= fault.t;
      const from = isNew ? fault.t : fault.t + settings.leaseMs - settings.touchMs - SLACK_MS;
      if (from < fault.end) spans = spans.flatMap((span) => without(span, { from, to: fault.end + RETURN_MS }));
    }
    // A server may cut off a client that doesn't read, long before the client notices.
    for (const pause of connection.pauses)
      spans = spans.flatMap((span) => without(span, { from: pause.t, to: pause.end }));
    return spans;
  });
  // A leave by choice always counts.
  return [...gapsBetween(spans, end), ...absences(user, history)];
}

const spanOf = ({ from, to, why, pod }: Connection): Span => ({ from, to, byChoice: why === "choice", pod });

function without(span: Span, hole: { from: number; to: number }): Span[] {
  if (hole.to <= span.from || hole.from >= span.to) return [span];
  const before = { ...span, to: hole.from, byChoice: false };
  const after = { ...span, from: hole.to };
  return [before, after].filter(({ from, to }) => from < to);
}

/** Before the first one as well, and after the last one until the end. */
function gapsBetween(spans: Span[], end: number): Gap[] {
  const gaps: Gap[] = [];
  let gap: Gap = { from: Number.NEGATIVE_INFINITY, to: 0, byChoice: true, pods: [] };
  for (const span of spans.sort((a, b) => a.from - b.from)) {
    if (span.from > gap.from) gaps.push({ ...gap, to: span.from });
    if (span.to >= gap.from) gap = { ...gap, from: span.to, byChoice: span.byChoice, pods: [span.pod] };
  }
  if (gap.from < end) gaps.push({ ...gap, to: Number.POSITIVE_INFINITY });
  return gaps;
}

/** Whether an eviction at this time was right. */
export function mayBeEvicted(gaps: Gap[], t: number, { settings, faults }: History): boolean {
  return gaps.some(({ from, to, byChoice }) => {
    if (t < from - SLACK_MS) return false;
    if (!byChoice && Math.min(to, t) - from < settings.graceMs - SLACK_MS) return false;
    return t <= deadline(to, AFTERMATH_MS, faults.filter(isForAll));
  });
}

/** By when an absent user must be offline, with their chats closed, counted from when the pods can know. */
export function evictedBy(gap: Gap, history: History): number {
  const { settings, faults } = history;
  const { leaseMs, graceMs, repairMs } = settings;
  const touching = faults.filter((fault) => isForAll(fault) || fault.pods.some((pod) => gap.pods.includes(pod)));
  let by = deadline(gap.from, leaseMs + graceMs + 2_000, touching);
  // Only the repair from the database, now and then, finds forgotten users.
  if (isForgotten(gap, by, history)) by += repairMs + leaseMs;
  const elsewhere = faults.some((fault) => !isForAll(fault) && fault.t < by && fault.end > gap.from);
  return elsewhere ? by + CLAIM_MS : by;
}

/** Whether Redis lost what it knew of a user before their eviction. */
export const isForgotten = ({ from }: Gap, by: number, { settings, faults }: History): boolean =>
  faults.some(({ losesPresence, t, end }) => losesPresence && t < by && end + RETURN_MS > from - settings.graceMs);

/** The chats that a user took part in at a time. */
export function takesPartIn(user: string, t: number, chats: Iterable<Chat>): Chat[] {
  return [...chats].filter((chat) => {
    const state = chatAt(chat, t);
    return state?.isOpen && (chat.visitor === user || state.servedBy === user);
  });
}

/** When a user stopped taking part in a chat: it was closed, or somebody took it over. */
export const endOfPart = (user: string, { rows }: Chat, after: number): Row | undefined =>
  rows.find((row) => row.t > after && (isLeave(row) || (row.kind === "takenOver" && row.servedBefore === user)));

/** The chats that an absent user came into: the change was under way when the user left. */
export const partsBegunWhileAway = (
  user: string,
  { from, to }: Gap,
  chats: Iterable<Chat>,
): { chat: Chat; t: number }[] =>
  [...chats].flatMap((chat) => {
    const came = chat.rows.find(
      (row) => row.sender === user && row.t > from && row.t < to && (row.number === 1 || isTaking(row)),
    );
    return came ? [{ chat, t: came.t }] : [];
  });
