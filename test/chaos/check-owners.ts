import type { Finding, Result } from "./finding.ts";
import { type Chat, type History, isLeave } from "./history.ts";

/** P3: one staff member serves a chat at a time, and no other staff member writes in it. */
export function checkOwners({ chats, attempts, users }: History): Result {
  const findings: Finding[] = [];
  const find = (what: string, t: number, about: string) => findings.push({ promise: "P3", what, t, about });

  for (const { chat, rows, status, staff } of chats.values()) {
    const claims = rows.filter(({ kind }) => kind === "claimed");
    for (const second of claims.slice(1)) {
      find("claimed twice", second.t, `chat ${chat}: by ${claims[0]?.sender}, then by ${second.sender}`);
    }
    let closedAt: number | null = null;
    let serving: string | null = null;
    for (const row of rows) {
      const { t, number, kind, sender, byStaff } = row;
      const what = `number ${number} of chat ${chat}, ${kind} by ${sender}`;
      if (closedAt !== null) find("written in a closed chat", t, `${what}, after it was closed`);
      if ((kind === "message" || kind === "staffLeft") && byStaff && sender !== serving) {
        find("written by other staff than the serving one", t, `${what}, while ${serving ?? "nobody"} served`);
      }
      if (kind === "takenOver" && !isAbove(users.get(sender)?.role, users.get(serving ?? "")?.role)) {
        find("taken over from no lower role", t, `${what}, from ${serving ?? "nobody"}`);
      }
      serving = row.servedAfter;
      if (isLeave(row)) closedAt = t;
    }
    const state = closedAt !== null ? "closed" : serving ? "claimed" : "unclaimed";
    if (status !== state || staff !== serving) {
      const expected = `${state} with ${serving ?? "nobody"}`;
      find(
        "state and rows differ",
        rows.at(-1)?.t ?? 0,
        `chat ${chat} is ${status} with ${staff}, its rows say ${expected}`,
      );
    }
  }
  const claims = attempts.filter(({ event, ok }) => event === "staff_join" && ok);
  for (const { chat, user, answeredAt, connection } of claims) {
    const winner = chats.get(chat ?? "")?.rows.find(({ kind }) => kind === "claimed")?.sender;
    if (winner !== user)
      find("a claim acked to a loser", answeredAt, `chat ${chat}: acked on ${connection}, won by ${winner}`);
  }
  for (const [one, other] of overlapping([...chats.values()])) {
    find(
      "two open chats of one visitor",
      other.rows[0]?.t ?? 0,
      `visitor ${one.visitor}: ${one.chat} and ${other.chat}`,
    );
  }
  const races = attempts.filter(({ event, ok }) => event === "staff_join" && ok === false).length;
  return { findings, figures: { chats: chats.size, claims: claims.length, "lost claims": races } };
}

const isAbove = (role: number | undefined, other: number | undefined) =>
  role !== undefined && other !== undefined && role < other;

/** Pairs of chats of one visitor of which the second was opened before the first was closed. */
function overlapping(chats: Chat[]): [Chat, Chat][] {
  const inOrder = chats.filter(({ rows }) => rows.length > 0).sort((a, b) => startOf(a) - startOf(b));
  const latest = new Map<string, Chat>();
  const pairs: [Chat, Chat][] = [];
  for (const chat of inOrder) {
    const before = latest.get(chat.visitor);
    const closed = before?.rows.find(isLeave);
    // Both may be in one millisecond.
    if (before && (!closed || closed.t > startOf(chat))) pairs.push([before, chat]);
    latest.set(chat.visitor, chat);
  }
  return pairs;
}

const startOf = ({ rows }: Chat) => rows[0]?.t ?? 0;
