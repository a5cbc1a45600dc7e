import { dueBy } from "./due.ts";
import type { Finding, Result } from "./finding.ts";
import { type Chat, type Connection, chatAt, type History, isLeave, isTaking, of, type Row } from "./history.ts";
import type { Entry, ScreenChat } from "./ledger.ts";

/** The queue on a screen has at most so many chats. */
const QUEUE_SHOWN = 200;

type Screen = Entry<"screen">;

/**
 * P2, as users of the client library see it: a screen shows what is stored, in order and once. It lacks nothing that has
 * had its time to arrive, and each chat is in its place.
 */
export function checkLibrary(history: History): Result {
  const { chats, connections, entries, attemptsOf } = history;
  const findings: Finding[] = [];
  const screens = of(entries, "screen");
  const last = Math.max(...of(entries, "quiet").map(({ t }) => t));
  let messages = 0;

  for (const screen of screens) {
    const connection = connections.get(screen.connection);
    if (!connection) continue;
    const find = (what: string, about: string) =>
      findings.push({ promise: "P2", what, t: screen.t, about: `${connection.id} on ${connection.pod}: ${about}` });
    for (const shown of screen.chats) {
      const chat = chats.get(shown.chat);
      if (!chat) {
        find("a screen shows a chat that isn't stored", shown.chat);
        continue;
      }
      messages += shown.messages.length;
      compareMessages(shown, chat, find);
    }
    for (const chat of chats.values()) {
      if (chat.organisation !== connection.user.organisation) continue;
      lookForMissing(screen, connection, chat, find);
    }
    if (screen.t >= last && screen.unsent > 0) find("left unsent", `${screen.unsent} messages`);
  }
  return { findings, figures: { "screens of the library compared": screens.length, "messages on them": messages } };

  function isSettled(row: Row, connection: Connection, t: number): boolean {
    const from = Math.max(row.t, connection.openedAt);
    return dueBy({ connection, from, pods: undefined }, history) < t;
  }

  function lookForMissing(
    { t, chats: shown, queueTotal }: Screen,
    connection: Connection,
    chat: Chat,
    find: (what: string, about: string) => void,
  ): void {
    const place = shown.find((one) => one.chat === chat.chat);
    const state = chatAt(chat, t);
    const changes = chat.rows.filter((row) => row.number === 1 || isTaking(row) || isLeave(row));
    // While a change may still be under way, the chat may be in its former place.
    if (!state || !changes.every((row) => (row.t <= t ? isSettled(row, connection, t) : row.t > t + 1_000))) return;
    const due = placeOf(chat, state, connection);
    const wanted = due === "queued" && queueTotal > QUEUE_SHOWN ? place?.as : due;
    const seen = place?.as === "closed" ? undefined : place?.as;
    if (seen !== wanted)
      find("a chat in the wrong place", `${chat.chat} is ${seen ?? "nowhere"}, not ${wanted ?? "nowhere"}`);
    if (!place || seen !== wanted) return;
    const first = place.messages[0]?.[0] ?? 0;
    const numbers = new Set(place.messages.map(([number]) => number));
    for (const row of chat.rows) {
      if (row.kind !== "message" || row.number < first || numbers.has(row.number) || row.t > t) continue;
      const isAcked = (attemptsOf.get(`${row.sender}/${row.id}`) ?? []).some(
        ({ ok, answeredAt }) => ok && answeredAt < t,
      );
      if (isAcked && isSettled(row, connection, t))
        find("missing on a screen", `number ${row.number} of chat ${chat.chat}`);
    }
  }
}

/** Where a chat has to be on a user's screen; undefined: nowhere. */
function placeOf(
  chat: Chat,
  { isOpen, servedBy }: { isOpen: boolean; servedBy: string | null },
  { user }: Connection,
): ScreenChat["as"] | undefined {
  if (!isOpen) return undefined;
  if (user.role === 0) return chat.visitor === user.user ? "open" : undefined;
  if (servedBy === null) return "queued";
  if (servedBy === user.user) return "active";
  return user.role < 3 ? "watched" : undefined;
}

function compareMessages({ messages }: ScreenChat, { rows, chat }: Chat, find: (what: string, about: string) => void) {
  let before = 0;
  for (const [number, id, content] of messages) {
    const name = `number ${number} of chat ${chat}`;
    const row = rows[number - 1];
    if (number <= before) find("a screen shows a message out of order or twice", name);
    if (!row || row.id !== id) find("a screen shows a message that isn't stored", name);
    else if (row.content !== content) find("a screen shows another content", `${name}: ${content}, not ${row.content}`);
    before = number;
  }
}
