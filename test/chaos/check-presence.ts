import type { Finding, Result } from "./finding.ts";
import { type Attempt, type Chat, group, type History } from "./history.ts";
import type { Entry } from "./ledger.ts";
import { absences, doubts, endOfPart, goneBy, mayBeGone, SLACK_MS, takesPartIn } from "./spans.ts";

/**
 * P4: nobody is told offline, and no chat is closed, of somebody who is there; who is gone is told offline, and his
 * chats are closed, in time and once.
 */
export function checkPresence(history: History): Result {
  const { users, chats, connections, deedsOf, faults, connectionsOf } = history;
  const findings: Finding[] = [];
  const find = (what: string, t: number, about: string) => findings.push({ promise: "P4", what, t, about });
  const nameOf = (user: string) => `${users.get(user)?.name ?? "?"} (${user})`;
  const chatsOf = group(chats.values(), ({ organisation }) => organisation);
  const offline = [...connections.values()].flatMap(({ heard }) =>
    heard.filter(({ event }) => event === "staff_goes_offline"),
  );
  const offlineOf = group(offline, ({ about }) => about ?? "");
  let [goodbyes, worstMs] = [0, 0];

  for (const [user, told] of offlineOf) {
    const gaps = doubts(user, history);
    const wrong = told.filter(({ t }) => !mayBeGone(gaps, t, history));
    for (const { t, connection } of firstOfEach(wrong))
      find("false offline", t, `${nameOf(user)}, as ${connection} heard`);
  }
  for (const chat of chats.values()) {
    for (const { deed, sender, t, number } of chat.rows) {
      if (deed !== "leave") continue;
      if (
        (deedsOf.get(sender) ?? []).some((deed) => mayHaveClosed(deed, chat, t)) ||
        mayBeGone(doubts(sender, history), t, history)
      )
        continue;
      find(
        "a chat was closed for somebody who was there",
        t,
        `number ${number} of chat ${chat.chat}: ${nameOf(sender)}`,
      );
    }
  }
  for (const [user, { organisation, role }] of users) {
    for (const gap of absences(user, history)) {
      if (!Number.isFinite(gap.from)) continue;
      const by = goneBy(gap, history);
      if (gap.to <= by || by >= history.end) continue;
      goodbyes++;
      for (const chat of takesPartIn(user, gap.from, chatsOf.get(organisation) ?? [])) {
        const end = endOfPart(user, chat, gap.from);
        if (end && end.t <= by) worstMs = Math.max(worstMs, end.t - gap.from);
        else
          find(
            "a chat stayed open for somebody who had gone",
            gap.from,
            `chat ${chat.chat}: ${nameOf(user)}, to be closed by ${by}`,
          );
      }
      if (role === 0) continue;
      const listeners = [...connections.values()].filter(
        (one) => one.user.organisation === organisation && one.user.role > 0 && one.openedAt < gap.from && one.to > by,
      );
      const isTold = offlineOf.get(user)?.some(({ t }) => t >= gap.from - SLACK_MS && t <= by);
      // What Redis forgot nobody tells; screens are compared with the truth elsewhere.
      const isForgotten = faults.some(
        ({ losesPresence, t, end }) => losesPresence && t < by && end > gap.from - history.settings.graceMs,
      );
      if (listeners.length > 0 && !isTold && !isForgotten)
        find("not told offline", gap.from, `${nameOf(user)}, gone since ${gap.from}, to be told by ${by}`);
    }
  }
  for (const { id, heard } of connections.values()) {
    for (const [first, second] of repeated(heard)) {
      if (faults.some(({ t, end }) => t <= second.t && end + SLACK_MS >= first.t)) continue;
      find(
        "told offline twice",
        second.t,
        `${nameOf(second.about ?? "")}, at ${first.t} and ${second.t}, as ${id} heard`,
      );
    }
  }
  const figures = {
    "told offline": offline.length,
    goodbyes,
    "worst goodbye, ms": Math.round(worstMs),
    users: connectionsOf.size,
  };
  return { findings, figures };
}

/** How long an attempt may be under way whose client has given up waiting for it: a pod that is frozen does it later. */
const UNDER_WAY_MS = 20_000;

function mayHaveClosed({ event, chat, t, ok }: Attempt, { chat: id, rows }: Chat, closedAt: number): boolean {
  if (!event.endsWith("_leave_room") || (chat ?? id) !== id || t > closedAt + SLACK_MS) return false;
  return t >= (rows[0]?.t ?? 0) - (ok === null ? UNDER_WAY_MS : SLACK_MS);
}

/** One of those that were heard at the same time by many. */
function firstOfEach(told: Entry<"heard">[]): Entry<"heard">[] {
  return told.filter((one, index) => index === 0 || one.t - (told[index - 1]?.t ?? 0) > 1_000);
}

/** Pairs of "offline" about the same user without an "online" in between. */
function repeated(heard: Entry<"heard">[]): [Entry<"heard">, Entry<"heard">][] {
  const last = new Map<string, Entry<"heard">>();
  const pairs: [Entry<"heard">, Entry<"heard">][] = [];
  for (const entry of heard) {
    if (entry.event !== "staff_goes_offline" && entry.event !== "staff_goes_online") continue;
    const before = last.get(entry.about ?? "");
    if (before?.event === "staff_goes_offline" && entry.event === "staff_goes_offline") pairs.push([before, entry]);
    last.set(entry.about ?? "", entry);
  }
  return pairs;
}
