import { refusals } from "../../src/contract/errors.ts";
import type { Finding, Result } from "./finding.ts";
import { type Attempt, group, type History, type Row, type RowKind } from "./history.ts";

/** After these refusals it may have been stored. */
export const open = new Set<string>([refusals.unavailable, refusals.internal].map(({ sentence }) => sentence));

/** P1: an acked message is stored once, as it was sent, and numbered without gap. */
export function checkStored({ chats, attempts, attemptsOf }: History): Result {
  const findings: Finding[] = [];
  const find = (what: string, t: number, about: string) => findings.push({ promise: "P1", what, t, about });
  const messages = [...chats.values()].flatMap(({ rows }) => rows.filter(({ type }) => type === 1));
  const rowsOf = group(messages, ({ sender, id }) => `${sender}/${id}`);

  for (const [key, tries] of attemptsOf) {
    const [first] = tries;
    if (!first?.id) continue;
    const rows = rowsOf.get(key) ?? [];
    const acked = tries.filter(({ ok }) => ok);
    const what = `message ${first.id} of ${first.user}`;
    if (rows.length > 1) find("stored twice", first.t, `${what} is ${rows.map(nameOf).join(" and ")}`);
    const [row] = rows;
    const [ack] = acked;
    if (ack && !row) find("acked but not stored", ack.answeredAt, `${what}, acked on ${ack.connection}`);
    if (row && row.content !== first.content) {
      find("stored otherwise than sent", row.t, `${what}: sent ${first.content}, stored ${row.content}`);
    }
    for (const { answer, answeredAt, connection } of acked) {
      if (!row || (answer.chat === row.chat && answer.number === row.number)) continue;
      const acknowledged = `${answer.chat} number ${answer.number}`;
      find(
        "acked with another number",
        answeredAt,
        `${what}: the ack on ${connection} said ${acknowledged}, it is ${nameOf(row)}`,
      );
    }
    if (row && tries.every(isRefusedForGood)) {
      find("refused but stored", first.t, `${what}: refused (${first.why}), yet it is ${nameOf(row)}`);
    }
  }
  for (const row of messages) {
    if (!attemptsOf.has(`${row.sender}/${row.id}`)) find("nobody sent it", row.t, nameOf(row));
  }
  for (const { chat, rows, last } of chats.values()) {
    const gap = rows.findIndex(({ number }, index) => number !== index + 1);
    if (gap >= 0)
      find("a gap in the numbers", rows[gap]?.t ?? 0, `chat ${chat}: ${rows[gap]?.number} is number ${gap + 1}`);
    else if (rows.length !== last)
      find("a gap in the numbers", 0, `chat ${chat}: last is ${last}, it has ${rows.length}`);
  }
  for (const { event, ok, chat, user, answeredAt, connection } of attempts) {
    const kind = changes[event];
    if (!ok || !kind || !chat) continue;
    const isStored = chats.get(chat)?.rows.some((row) => row.kind === kind && row.sender === user);
    if (!isStored)
      find("acked but not stored", answeredAt, `${event} of chat ${chat} by ${user}, acked on ${connection}`);
  }
  const acked = [...attemptsOf.values()].filter((tries) => tries[0]?.id && tries.some(({ ok }) => ok));
  const figures = {
    acked: acked.length,
    stored: messages.length,
    resent: attempts.filter(({ id }) => id).length - [...attemptsOf.values()].filter((tries) => tries[0]?.id).length,
  };
  return { findings, figures };
}

const changes: Record<string, RowKind> = {
  staff_join: "claimed",
  take_over_chat: "takenOver",
  staff_leave_room: "staffLeft",
};

const isRefusedForGood = ({ ok, why }: Attempt) => ok === false && !open.has(why ?? "");
const nameOf = ({ chat, number }: Row) => `number ${number} of chat ${chat}`;
