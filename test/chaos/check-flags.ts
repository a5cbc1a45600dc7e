import { staffByOrganisation } from "./audience.ts";
import { open } from "./check-stored.ts";
import { dueBy, healTime } from "./due.ts";
import type { Finding, Result } from "./finding.ts";
import { type Due, timesOf } from "./flag-times.ts";
import { type Attempt, type Chat, type Connection, type Flag, group, type History } from "./history.ts";

/** How many flagged chats a snapshot has. */
const SNAPSHOT_FLAGS = 15;
/** P1 and P2 of flags: an acked flag is one entry of the internal log, and every monitor receives each entry. */
export function checkFlags(history: History): Result {
  const { chats, attempts } = history;
  const flagged = attempts.filter(({ event, chat }) => event === "change_chat_priority" && chats.has(chat ?? ""));
  const triesOf = group(flagged, ({ chat, user, severity }) => keyOf(chat, user, severity));
  const findings = storedFindings(triesOf, history);
  const { lost, ...figures } = checkReceivers(triesOf, history);
  return { findings: [...findings, ...lost], figures };
}

const keyOf = (chat: string | undefined, user: string, severity: number | undefined) => `${chat}/${user}/${severity}`;

/** The same flag by the same user is several entries when its client tries again without an ack: flags have no id. */
function storedFindings(triesOf: Map<string, Attempt[]>, { chats }: History): Finding[] {
  const findings: Finding[] = [];
  const find = (what: string, t: number, about: string) => findings.push({ promise: "P1", what, t, about });
  const flagsOf = group(
    [...chats.values()].flatMap(({ flags }) => flags),
    ({ chat, actor, severity }) => keyOf(chat, actor, severity),
  );
  for (const [key, tries] of triesOf) {
    const acked = tries.filter(({ ok }) => ok).length;
    const unclear = tries.filter(({ ok, why }) => ok === null || open.has(why ?? "")).length;
    const stored = flagsOf.get(key)?.length ?? 0;
    const about = `flag ${key}: ${acked} acked, ${unclear} unclear, ${stored} stored`;
    if (stored < acked) find("a flag acked but not stored", tries[0]?.t ?? 0, about);
    if (stored > acked + unclear) find("a flag stored too often", tries[0]?.t ?? 0, about);
  }
  for (const [key, [flag]] of flagsOf) if (!triesOf.has(key)) find("a flag that nobody set", flag?.t ?? 0, key);
  return findings;
}

function checkReceivers(triesOf: Map<string, Attempt[]>, history: History) {
  const { chats, connections, connectionsOf, settings } = history;
  const staffOf = staffByOrganisation(history);
  const flagsOf = new Map(
    [...group(chats.values(), ({ organisation }) => organisation)].map(([id, own]) => [
      id,
      own.flatMap(({ flags }) => flags),
    ]),
  );
  const lost: Finding[] = [];
  let [deliveries, worstHealMs] = [0, 0];

  const triesFor = ({ chat, actor, severity }: Flag) => triesOf.get(keyOf(chat, actor, severity)) ?? [];

  function dueOf(connection: Connection, chat: Chat, flag: Flag): Due {
    const tries = triesFor(flag);
    const acks = tries.filter(({ ok }) => ok).map(({ answeredAt }) => answeredAt);
    const from = Math.max(flag.t, connection.openedAt, ...(acks.length > 0 ? [Math.min(...acks)] : []));
    const pods = tries.map((attempt) => connections.get(attempt.connection)?.pod ?? "?");
    const until = dueBy({ connection, from, pods }, history);
    const [first] = connection.snapshots;
    const isLive = connection.openedAt <= flag.t;
    const isShown = !isLive && first !== undefined && shows(first, flag, chat, flagsOf.get(chat.organisation) ?? []);
    return { flag, until, isShown };
  }

  function judge(connection: Connection, chat: Chat, { flag, until }: Due, seenAt: number): void {
    deliveries++;
    const name = `internal number ${flag.number} of chat ${chat.chat} (${flag.severity} by ${flag.actor} at ${flag.t})`;
    const about = `${connection.id} on ${connection.pod}: ${name}`;
    if (seenAt > until) {
      const when = Number.isFinite(seenAt) ? `received ${seenAt - until} ms too late` : `not received by ${until}`;
      lost.push({ promise: "P2", what: "a flag was lost", t: flag.t, about: `${about}, ${when}` });
      return;
    }
    worstHealMs = Math.max(worstHealMs, healTime(seenAt, until, settings.healMs));
    const [, ...later] = connection.snapshots;
    const all = flagsOf.get(chat.organisation) ?? [];
    const undoing = later.find((one) => one.t > seenAt && !shows(one, flag, chat, all));
    if (undoing) {
      const what = "a snapshot was older than a flag before it";
      lost.push({ promise: "P2", what, t: flag.t, about: `${about}, received at ${seenAt}, undone at ${undoing.t}` });
    }
  }

  function look(connection: Connection, chat: Chat): void {
    const others = dueTo(connection, chat).filter((flag) =>
      triesFor(flag).every((one) => one.connection !== connection.id),
    );
    const due = others.map((flag) => dueOf(connection, chat, flag));
    const seenAt = timesOf(connection, chat, due);
    for (const one of due) {
      const t = one.isShown ? connection.openedAt : (seenAt.get(one) ?? Number.POSITIVE_INFINITY);
      if (t <= one.until || connection.to > one.until) judge(connection, chat, one, t);
    }
  }

  for (const chat of chats.values()) {
    if (chat.flags.length === 0) continue;
    for (const { user } of staffOf(chat.organisation).monitors) {
      for (const connection of connectionsOf.get(user) ?? []) if (!connection.isLibrary) look(connection, chat);
    }
  }
  return { lost, "deliveries of flags": deliveries, "worst heal of flags, ms": Math.round(worstHealMs) };
}

/** The flags since the connection opened, and before them the last one, which the first snapshot must show. */
function dueTo({ openedAt, to }: Connection, chat: Chat): Flag[] {
  const live = chat.flags.filter(({ t }) => t >= openedAt && t < to);
  const last = chat.flags.findLast(({ t }) => t < openedAt);
  return last && Number.isFinite(openedAt) ? [...live, last] : live;
}

const nextOf = ({ number }: Flag, { flags }: Chat): { t: number } => flags[number] ?? { t: Number.POSITIVE_INFINITY };

/**
 * Whether a client that starts from this snapshot knows of the flag. A snapshot without room for the flag counts as well, and
 * so does a snapshot after the chat's next flag.
 */
function shows({ t, flagged }: Connection["snapshots"][number], flag: Flag, chat: Chat, all: Flag[]): boolean {
  if (t <= flag.t || nextOf(flag, chat).t <= t) return true;
  const shown = flagged.find(([id]) => id === chat.chat);
  if (flag.severity === 0) return !shown;
  if (shown) return shown[1] === flag.severity;
  const newer = all.filter((one) => one.t >= flag.t && one.t <= t && one.chat !== chat.chat);
  return new Set(newer.map((one) => one.chat)).size >= SNAPSHOT_FLAGS;
}
