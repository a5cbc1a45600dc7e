import { type Finding, type Result, SLACK_MS } from "./finding.ts";
import { type Attempt, type Chat, group, type History, isLeave } from "./history.ts";
import type { Entry, User } from "./ledger.ts";
import {
  absences,
  doubts,
  endOfPart,
  evictedBy,
  type Gap,
  isForgotten,
  mayBeEvicted,
  partsBegunWhileAway,
  RETURN_MS,
  takesPartIn,
} from "./spans.ts";

type Find = (what: string, t: number, about: string) => void;
type Received = Entry<"received">;

/**
 * P4: no user who is there is shown offline, nor are their chats closed. A user who has left is shown offline, and their chats
 * are closed, in time and once.
 */
export function checkPresence(history: History): Result {
  const findings: Finding[] = [];
  const find: Find = (what, t, about) => findings.push({ promise: "P4", what, t, about });
  const connections = [...history.connections.values()];
  const offlines = connections.flatMap(({ received }) =>
    received.filter(({ event }) => event === "staff_goes_offline"),
  );
  const offlinesOf = group(offlines, ({ about }) => about ?? "");
  checkOfflines(offlinesOf, history, find);
  checkLeaves(history, find);
  checkOnce(history, find);
  const figures = checkEvictions(offlinesOf, history, find);
  return { findings, figures: { "shown offline": offlines.length, ...figures } };
}

const nameOf = (user: string, { users }: History) => `${users.get(user)?.name ?? "?"} (${user})`;

function checkOfflines(offlinesOf: Map<string, Received[]>, history: History, find: Find): void {
  for (const [user, offlines] of offlinesOf) {
    const gaps = doubts(user, history);
    const wrong = offlines.filter(
      (received) => !sentTimes(received, history).some((t) => mayBeEvicted(gaps, t, history)),
    );
    // Many connections receive the same at the same time.
    const first = wrong.filter(({ t }, index) => index === 0 || t - (wrong[index - 1]?.t ?? 0) > 1_000);
    for (const { t, connection } of first) {
      find("false offline", t, `${nameOf(user, history)}, as ${connection} received`);
    }
  }
}

/** An event that waited in a frozen pod, or on a stalled way, comes late: it was true at some time since then. */
function sentTimes({ t, connection }: Received, { connections, faults }: History): number[] {
  const pod = connections.get(connection)?.pod ?? "";
  const held = faults.filter((fault) => fault.pods.includes(pod) && fault.t <= t && t <= fault.end + RETURN_MS);
  const since = Math.min(t, ...held.map((fault) => fault.t));
  return Array.from({ length: Math.floor((t - since) / 250) + 1 }, (_, n) => t - n * 250);
}

function checkLeaves(history: History, find: Find): void {
  for (const chat of history.chats.values()) {
    const leave = chat.rows.find(isLeave);
    if (!leave) continue;
    const { sender, t, number } = leave;
    const asked = (history.changesOf.get(sender) ?? []).some((attempt) => mayHaveClosed(attempt, chat, t));
    if (asked || mayBeEvicted(doubts(sender, history), t, history)) continue;
    const about = `number ${number} of chat ${chat.chat}: ${nameOf(sender, history)}`;
    find("a chat was closed for somebody who was there", t, about);
  }
}

/** How long an attempt may be under way after its client has given up waiting: a frozen pod carries it out later. */
const UNDER_WAY_MS = 20_000;

function mayHaveClosed({ event, chat, t, ok }: Attempt, { chat: id, rows }: Chat, closedAt: number): boolean {
  if (!event.endsWith("_leave_room") || (chat ?? id) !== id || t > closedAt + SLACK_MS) return false;
  return t >= (rows[0]?.t ?? 0) - (ok === null ? UNDER_WAY_MS : SLACK_MS);
}

function checkEvictions(offlinesOf: Map<string, Received[]>, history: History, find: Find) {
  const chatsOf = group(history.chats.values(), ({ organisation }) => organisation);
  let [evictions, worstMs] = [0, 0];
  for (const user of history.users.values()) {
    const chats = chatsOf.get(user.organisation) ?? [];
    for (const gap of absences(user.user, history)) {
      const by = evictedBy(gap, history);
      if (!Number.isFinite(gap.from) || gap.to <= by || by >= history.end) continue;
      evictions++;
      const closed = (chat: Chat, since: number, until: number) => {
        const end = endOfPart(user.user, chat, since);
        if (end && end.t <= until) return end.t - since;
        const about = `chat ${chat.chat}: ${nameOf(user.user, history)}, to be closed by ${Math.round(until)}`;
        find("a chat stayed open for somebody who had left", since, about);
        return 0;
      };
      for (const chat of takesPartIn(user.user, gap.from, chats)) {
        worstMs = Math.max(worstMs, closed(chat, gap.from, by));
      }
      for (const { chat, t } of partsBegunWhileAway(user.user, gap, chats)) {
        // A change that was under way when the user left serves nobody: only the repair from PostgreSQL finds it.
        const until = evictedBy({ ...gap, from: t }, history) + history.settings.repairMs + history.settings.leaseMs;
        if (until < Math.min(gap.to, history.end)) closed(chat, t, until);
      }
      if (user.role !== 0) checkSignalled(user, gap, by, offlinesOf.get(user.user) ?? [], history, find);
    }
  }
  return { evictions, "slowest eviction, ms": Math.round(worstMs) };
}

/** All staff who were there before and after receive that a staff member went offline. */
function checkSignalled(user: User, gap: Gap, by: number, offlines: Received[], history: History, find: Find): void {
  const isListening = [...history.connections.values()].some(
    (one) => one.user.organisation === user.organisation && one.user.role > 0 && one.openedAt < gap.from && one.to > by,
  );
  const isSignalled = offlines.some(({ t }) => t >= gap.from - SLACK_MS && t <= by);
  // Nobody signals a user that Redis forgot. Another check compares the screens with the truth.
  if (!isListening || isSignalled || isForgotten(gap, by, history)) return;
  find("not shown offline", gap.from, `${nameOf(user.user, history)}, away since ${gap.from}, due by ${by}`);
}

/** Nobody receives "offline" twice about the same user without an "online" in between, unless a fault may have lost that. */
function checkOnce(history: History, find: Find): void {
  for (const { id, received } of history.connections.values()) {
    const last = new Map<string, Received>();
    for (const entry of received) {
      if (entry.event !== "staff_goes_offline" && entry.event !== "staff_goes_online") continue;
      const user = entry.about ?? "";
      const before = last.get(user);
      last.set(user, entry);
      if (entry.event === "staff_goes_online" || before?.event !== "staff_goes_offline") continue;
      if (history.faults.some(({ t, end }) => t <= entry.t && end + SLACK_MS >= before.t)) continue;
      const about = `${nameOf(user, history)}, at ${before.t} and ${entry.t}, as ${id} received`;
      find("shown offline twice", entry.t, about);
    }
  }
}
