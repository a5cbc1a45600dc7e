import { audiencesOf, isChange, rowOf, type Staff, staffByOrganisation } from "./audience.ts";
import type { Finding, Result } from "./finding.ts";
import type { Chat, Connection, History, Row } from "./history.ts";
import type { Entry, Seen, SnapshotChat } from "./ledger.ts";

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
    const chat = chats.get(received.chat ?? "");
    if (!chat || chat.organisation !== user.organisation) {
      find("an event of another organisation", t, connection, `${event} of chat ${received.chat}`);
      return;
    }
    if (event === "chat_has_changed_priority_for_supervisor") {
      if (user.role !== 1 && user.role !== 2)
        find("an event for others", t, connection, `${event} of chat ${chat.chat}`);
      return;
    }
    if (number !== undefined && id && content) checkSeen(t, connection, chat, [number, id, content]);
    const row = isChange(event) || number !== undefined ? rowOf(event, about, chat, number) : undefined;
    if (!row) find("an event without a row", t, connection, `${event} of chat ${chat.chat}, number ${number}`);
    else if (!isFor(row, chat, user.user, event, staffOf(chat.organisation))) {
      find("an event for others", t, connection, `${event} of chat ${chat.chat}, number ${row.number}`);
    }
  }
  function checkSnapshot(t: number, connection: Connection, { chat: id, as, messages }: SnapshotChat): void {
    const { user } = connection;
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

function isFor(row: Row, chat: Chat, user: string, event: string, staff: Staff): boolean {
  return audiencesOf(row, chat, staff).some((audience) => audience.get(user) === event);
}
