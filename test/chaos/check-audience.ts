import {
  audiencesOf,
  FLAG_EVENT,
  isChange,
  isVisitorSignal,
  rowOf,
  type Staff,
  staffByOrganisation,
} from "./audience.ts";
import { mayReceiveSignal } from "./check-signals.ts";
import type { Finding, Result } from "./finding.ts";
import type { Chat, Connection, History, Row } from "./history.ts";
import type { Entry, Flagging, Seen, SnapshotChat } from "./ledger.ts";

/** P7: nobody receives events of others, and all see the same message under the same number. */
export function checkAudience(history: History): Result {
  const { chats, users, connections } = history;
  const findings: Finding[] = [];
  const staffOf = staffByOrganisation(history);
  let looked = 0;

  function find(what: string, t: number, { id }: Connection, about: string): void {
    findings.push({ promise: "P7", what, t, about: `${id}: ${about}` });
  }
  function checkSeen(t: number, connection: Connection, chat: Chat, [number, id, content]: Seen): void {
    const row = chat.rows[number - 1];
    if (row && row.id === id && row.content === content) return;
    const stored = row ? `${row.id} ${row.content}` : "nothing";
    find(
      "another message than the stored one",
      t,
      connection,
      `chat ${chat.chat} number ${number} is ${stored}, seen ${id} ${content}`,
    );
  }
  function checkReceived(received: Entry<"received">, connection: Connection): void {
    const { event, t, about, number, id, content } = received;
    const { user } = connection;
    if (event === "staff_goes_online" || event === "staff_goes_offline") {
      const other = users.get(about ?? "");
      if (other?.organisation !== user.organisation || user.role === 0)
        find("presence of another organisation", t, connection, `${event} of ${about}`);
      return;
    }
    if (user.role === 0) checkFlagging(t, connection, received, `${event} of chat ${received.chat}`);
    const chat = chats.get(received.chat ?? "");
    if (!chat || chat.organisation !== user.organisation) {
      find("an event of another organisation", t, connection, `${event} of chat ${received.chat}`);
      return;
    }
    if (event === FLAG_EVENT) {
      const what = `${event} of chat ${chat.chat} by ${about}, severity ${received.severity ?? 0}`;
      if (user.role !== 1 && user.role !== 2) find("an event for others", t, connection, what);
      else if (!isStored(received, chat)) find("an event without a row", t, connection, what);
      return;
    }
    if (isVisitorSignal(event)) {
      const staff = staffOf(chat.organisation);
      if (!mayReceiveSignal(received, { connection, chat, staff }, history))
        find("an event for others", t, connection, `${event} of chat ${chat.chat}, visitor ${about}`);
      return;
    }
    if (number !== undefined && id && content) checkSeen(t, connection, chat, [number, id, content]);
    const row = isChange(event) || number !== undefined ? rowOf(event, about, chat, number) : undefined;
    if (!row) find("an event without a row", t, connection, `${event} of chat ${chat.chat}, number ${number}`);
    else if (!isFor(row, chat, user.user, event, staffOf(chat.organisation))) {
      find("an event for others", t, connection, `${event} of chat ${chat.chat}, number ${row.number}`);
    }
  }
  /** Visitors never see flags or tags. */
  function checkFlagging(t: number, connection: Connection, { severity, tags }: Flagging, about: string): void {
    if (severity || tags)
      find("a flag or tags shown to a visitor", t, connection, `${about}: ${severity}, ${tags} tags`);
  }
  function checkSnapshot(t: number, connection: Connection, shown: SnapshotChat): void {
    const { chat: id, as, messages } = shown;
    const { user } = connection;
    if (user.role === 0) checkFlagging(t, connection, shown, `chat ${id} in a snapshot`);
    const chat = chats.get(id);
    const isTheirs =
      chat?.organisation === user.organisation &&
      (as === "open"
        ? chat.visitor === user.user
        : as === "queued" || chat.rows.some(({ servedAfter }) => servedAfter === user.user));
    if (!chat || !isTheirs) find("a chat of others in a snapshot", t, connection, `chat ${id} as ${as}`);
    else for (const seen of messages) checkSeen(t, connection, chat, seen);
  }

  for (const connection of connections.values()) {
    for (const received of connection.received) checkReceived(received, connection);
    for (const { t, chats: shown, online } of connection.snapshots) {
      for (const chat of shown) checkSnapshot(t, connection, chat);
      for (const other of online ?? []) {
        if (users.get(other)?.organisation !== connection.user.organisation)
          find("presence of another organisation", t, connection, `${other} is online`);
      }
    }
    looked += connection.received.length;
  }
  return { findings, figures: { "events received": looked } };
}

/** An event from the database shows the chat as it is by then, so any of the chat's severities. */
const isStored = ({ about, severity = 0 }: Entry<"received">, { flags }: Chat): boolean =>
  flags.some(({ actor }) => actor === about) && flags.some((flag) => flag.severity === severity);

function isFor(row: Row, chat: Chat, user: string, event: string, staff: Staff): boolean {
  return audiencesOf(row, chat, staff).some((audience) => audience.get(user) === event);
}
