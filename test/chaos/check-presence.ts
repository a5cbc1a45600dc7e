import { type Finding, type Result, SLACK_MS } from "./finding.ts";
import { type Attempt, type Chat, group, type History } from "./history.ts";
import type { Entry, User } from "./ledger.ts";
import {
  absences,
  deedsWhileAway,
  doubts,
  endOfPart,
  type Gap,
  goneBy,
  isForgotten,
  mayBeGone,
  RETURN_MS,
  takesPartIn,
} from "./spans.ts";

type Find = (what: string, t: number, about: string) => void;
type Heard = Entry<"heard">;

/**
 * P4: nobody is told offline, and no chat is closed, of somebody who is there; who is gone is told offline, and his
 * chats are closed, in time and once.
 */
export function checkPresence(history: History): Result {
  const findings: Finding[] = [];
  const find: Find = (what, t, about) => findings.push({ promise: "P4", what, t, about });
  const connections = [...history.connections.values()];
  const told = connections.flatMap(({ heard }) => heard.filter(({ event }) => event === "staff_goes_offline"));
  const toldOf = group(told, ({ about }) => about ?? "");
  checkOfflines(toldOf, history, find);
  checkLeaves(history, find);
  checkOnce(history, find);
  const figures = checkGoodbyes(toldOf, history, find);
  return { findings, figures: { "told offline": told.length, ...figures } };
}

const nameOf = (user: string, { users }: History) => `${users.get(user)?.name ?? "?"} (${user})`;

function checkOfflines(toldOf: Map<string, Heard[]>, history: History, find: Find): void {
  for (const [user, told] of toldOf) {
    const gaps = doubts(user, history);
    const wrong = told.filter((heard) => !whenTold(heard, history).some((t) => mayBeGone(gaps, t, history)));
    // Many hear the same at the same time.
    const first = wrong.filter(({ t }, index) => index === 0 || t - (wrong[index - 1]?.t ?? 0) > 1_000);
    for (const { t, connection } of first) {
      find("false offline", t, `${nameOf(user, history)}, as ${connection} heard`);
    }
  }
}

/** What waited in a pod that stood still, or on a way that did, is told late: it was true at some time since then. */
function whenTold({ t, connection }: Heard, { connections, faults }: History): number[] {
  const pod = connections.get(connection)?.pod ?? "";
  const held = faults.filter((fault) => fault.pods.includes(pod) && fault.t <= t && t <= fault.end + RETURN_MS);
  const since = Math.min(t, ...held.map((fault) => fault.t));
  return Array.from({ length: Math.floor((t - since) / 250) + 1 }, (_, n) => t - n * 250);
}

function checkLeaves(history: History, find: Find): void {
  for (const chat of history.chats.values()) {
    const leave = chat.rows.find(({ deed }) => deed === "leave");
    if (!leave) continue;
    const { sender, t, number } = leave;
    const asked = (history.deedsOf.get(sender) ?? []).some((deed) => mayHaveClosed(deed, chat, t));
    if (asked || mayBeGone(doubts(sender, history), t, history)) continue;
    const about = `number ${number} of chat ${chat.chat}: ${nameOf(sender, history)}`;
    find("a chat was closed for somebody who was there", t, about);
  }
}

/** How long an attempt may be under way whose client has given up waiting for it: a pod that is frozen does it later. */
const UNDER_WAY_MS = 20_000;

function mayHaveClosed({ event, chat, t, ok }: Attempt, { chat: id, rows }: Chat, closedAt: number): boolean {
  if (!event.endsWith("_leave_room") || (chat ?? id) !== id || t > closedAt + SLACK_MS) return false;
  return t >= (rows[0]?.t ?? 0) - (ok === null ? UNDER_WAY_MS : SLACK_MS);
}

function checkGoodbyes(toldOf: Map<string, Heard[]>, history: History, find: Find) {
  const chatsOf = group(history.chats.values(), ({ organisation }) => organisation);
  let [goodbyes, worstMs] = [0, 0];
  for (const user of history.users.values()) {
    const chats = chatsOf.get(user.organisation) ?? [];
    for (const gap of absences(user.user, history)) {
      const by = goneBy(gap, history);
      if (!Number.isFinite(gap.from) || gap.to <= by || by >= history.end) continue;
      goodbyes++;
      const closed = (chat: Chat, since: number, until: number) => {
        const end = endOfPart(user.user, chat, since);
        if (end && end.t <= until) return end.t - since;
        const about = `chat ${chat.chat}: ${nameOf(user.user, history)}, to be closed by ${Math.round(until)}`;
        find("a chat stayed open for somebody who had gone", since, about);
        return 0;
      };
      for (const chat of takesPartIn(user.user, gap.from, chats)) {
        worstMs = Math.max(worstMs, closed(chat, gap.from, by));
      }
      for (const { chat, t } of deedsWhileAway(user.user, gap, chats)) {
        // What was under way when he left was done for nobody: only what is made good now and then finds that.
        const until = goneBy({ ...gap, from: t }, history) + history.settings.repairMs + history.settings.leaseMs;
        if (until < Math.min(gap.to, history.end)) closed(chat, t, until);
      }
      if (user.role !== 0) checkTold(user, gap, by, toldOf.get(user.user) ?? [], history, find);
    }
  }
  return { goodbyes, "worst goodbye, ms": Math.round(worstMs) };
}

/** That a staff has gone is told to everybody who was there before and after. */
function checkTold(user: User, gap: Gap, by: number, told: Heard[], history: History, find: Find): void {
  const isListening = [...history.connections.values()].some(
    (one) => one.user.organisation === user.organisation && one.user.role > 0 && one.openedAt < gap.from && one.to > by,
  );
  const isTold = told.some(({ t }) => t >= gap.from - SLACK_MS && t <= by);
  // What Redis forgot nobody tells; what screens show is compared with the truth elsewhere.
  if (!isListening || isTold || isForgotten(gap, by, history)) return;
  find("not told offline", gap.from, `${nameOf(user.user, history)}, gone since ${gap.from}, to be told by ${by}`);
}

/** Nobody hears "offline" twice about the same user without an "online" in between, unless a fault may have eaten that. */
function checkOnce(history: History, find: Find): void {
  for (const { id, heard } of history.connections.values()) {
    const last = new Map<string, Heard>();
    for (const entry of heard) {
      if (entry.event !== "staff_goes_offline" && entry.event !== "staff_goes_online") continue;
      const user = entry.about ?? "";
      const before = last.get(user);
      last.set(user, entry);
      if (entry.event === "staff_goes_online" || before?.event !== "staff_goes_offline") continue;
      if (history.faults.some(({ t, end }) => t <= entry.t && end + SLACK_MS >= before.t)) continue;
      const about = `${nameOf(user, history)}, at ${before.t} and ${entry.t}, as ${id} heard`;
      find("told offline twice", entry.t, about);
    }
  }
}
