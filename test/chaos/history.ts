// The ledger, sorted out for the checker: the connections, and each chat with its rows and the staff who served it.
import type { Ending, Entry, Kind, Settings, SnapshotChat, User } from "./ledger.ts";

export type Connection = {
  id: string;
  client: string;
  user: User;
  pod: string;
  isLibrary: boolean;
  from: number;
  /** When it had its first snapshot; without one it was never served. */
  openedAt: number;
  to: number;
  why: Ending;
  returns: boolean;
  snapshots: {
    t: number;
    chats: SnapshotChat[];
    flagged: [chat: string, severity: number][];
    online: string[] | null;
  }[];
  received: Entry<"received">[];
  pauses: { t: number; end: number }[];
};

/** The kinds of rows on the wire: a message, and the system messages. */
export type RowKind = "message" | "claimed" | "takenOver" | "staffLeft" | "visitorLeft" | "visitorIdentified";

export type Row = Omit<Entry<"row">, "kind"> & {
  kind: RowKind;
  /** The staff member who served the chat right before this row, and right after it. */
  servedBefore: string | null;
  servedAfter: string | null;
};

/** An entry of the internal log. */
export type Flag = Omit<Entry<"internal">, "kind"> & { kind: "flagged"; severity: number | undefined };

export type Chat = Omit<Entry<"chat">, "kind" | "t"> & { rows: Row[]; flags: Flag[] };

/** One attempt and its answer; `ok` is null without one. */
export type Attempt = Omit<Entry<"asked">, "kind"> & {
  user: string;
  answeredAt: number;
  ok: boolean | null;
  why: string | null;
  answer: { chat?: string | undefined; number?: number | undefined };
};

export type History = {
  settings: Settings;
  entries: Entry[];
  end: number;
  users: Map<string, User>;
  /** By its id. */
  connections: Map<string, Connection>;
  connectionsOf: Map<string, Connection[]>;
  chats: Map<string, Chat>;
  attempts: Attempt[];
  /** By `<sender>/<id>`. */
  attemptsOf: Map<string, Attempt[]>;
  /** Attempts to change a chat, by user. */
  changesOf: Map<string, Attempt[]>;
  faults: Entry<"fault">[];
};

const changes = new Set(["staff_join", "take_over_chat", "staff_leave_room", "visitor_leave_room"]);

export const of = <K extends Kind>(entries: Entry[], kind: K): Entry<K>[] =>
  entries.filter((entry) => entry.kind === kind) as Entry<K>[];

export function readHistory(entries: Entry[]): History {
  const settings = of(entries, "settings")[0];
  if (!settings) throw new Error("the ledger has no settings");
  const end = entries.reduce((latest, { t }) => Math.max(latest, t), 0);
  const users = new Map(of(entries, "user").map((user) => [user.user, user]));
  const connections = readConnections(entries, users, end);
  const attempts = readAttempts(entries, connections);
  return {
    ...{ settings, entries, end, users, attempts, connections },
    connectionsOf: group(connections.values(), ({ user }) => user.user),
    chats: readChats(entries),
    attemptsOf: group(attempts, ({ user, id }) => `${user}/${id}`),
    changesOf: group(
      attempts.filter(({ event }) => changes.has(event)),
      ({ user }) => user,
    ),
    faults: of(entries, "fault"),
  };
}

function readConnections(entries: Entry[], users: Map<string, User>, end: number): Map<string, Connection> {
  const connections = new Map<string, Connection>();
  for (const entry of entries) {
    if (entry.kind === "connected") {
      const user = users.get(entry.user) as User;
      connections.set(entry.connection, {
        ...{ id: entry.connection, client: entry.client, user, pod: entry.pod, from: entry.t },
        isLibrary: entry.isLibrary === true,
        ...{ openedAt: Number.POSITIVE_INFINITY, to: end, why: "choice", returns: false },
        ...{ snapshots: [], received: [], pauses: [] },
      });
    }
    const connection = "connection" in entry ? connections.get(entry.connection) : undefined;
    if (!connection) continue;
    if (entry.kind === "received") connection.received.push(entry);
    else if (entry.kind === "paused") connection.pauses.push(entry);
    else if (entry.kind === "snapshot") {
      connection.openedAt = Math.min(connection.openedAt, entry.t);
      connection.snapshots.push(entry);
    } else if (entry.kind === "disconnected") {
      connection.to = entry.t;
      connection.why = entry.why;
      connection.returns = entry.returns;
    }
  }
  return connections;
}

function readAttempts(entries: Entry[], connections: Map<string, Connection>): Attempt[] {
  const attempts = new Map<string, Attempt>();
  for (const entry of entries) {
    if (entry.kind === "asked") {
      const user = connections.get(entry.connection)?.user.user ?? "?";
      const unanswered = { answeredAt: Number.POSITIVE_INFINITY, ok: null, why: "the run ended", answer: {} };
      attempts.set(entry.ask, { ...entry, user, ...unanswered });
    } else if (entry.kind === "answered") {
      const { t: answeredAt, ok, why, chat, number } = entry;
      const attempt = attempts.get(entry.ask);
      if (attempt) Object.assign(attempt, { answeredAt, ok, why, answer: { chat, number } });
    }
  }
  return [...attempts.values()];
}

function kindOf({ type, content, byStaff }: Entry<"row">): RowKind {
  if (type === 1) return "message";
  if (content === '{"content":"join room"}') return "claimed";
  if (content === '{"content":"take over room"}') return "takenOver";
  if (content === '{"content":"identify"}') return "visitorIdentified";
  if (content === '{"content":"leave room"}') return byStaff ? "staffLeft" : "visitorLeft";
  throw new Error(`an unknown system message: ${content}`);
}

export const isLeave = ({ kind }: Pick<Row, "kind">): boolean => kind === "staffLeft" || kind === "visitorLeft";
/** Whether the row's sender serves the chat from then on. */
export const isTaking = ({ kind }: Pick<Row, "kind">): boolean => kind === "claimed" || kind === "takenOver";

function readChats(entries: Entry[]): Map<string, Chat> {
  const chats = new Map<string, Chat>();
  for (const { kind: _, t: __, ...chat } of of(entries, "chat")) chats.set(chat.chat, { ...chat, rows: [], flags: [] });
  for (const row of of(entries, "row")) {
    chats.get(row.chat)?.rows.push({ ...row, kind: kindOf(row), servedBefore: null, servedAfter: null });
  }
  for (const { kind: _, ...entry } of of(entries, "internal")) {
    const { severity_level: severity } = JSON.parse(entry.data) as { severity_level?: number };
    chats.get(entry.chat)?.flags.push({ ...entry, kind: "flagged", severity });
  }
  for (const { rows, flags } of chats.values()) {
    rows.sort((a, b) => a.number - b.number);
    flags.sort((a, b) => a.number - b.number);
    let serving: string | null = null;
    for (const row of rows) {
      row.servedBefore = serving;
      if (isTaking(row)) serving = row.sender;
      row.servedAfter = serving;
    }
  }
  return chats;
}

export function group<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const known = groups.get(keyOf(item));
    if (known) known.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

/** The state of a chat at a time, from its rows; null before it was opened. */
export function chatAt({ rows }: Chat, t: number): { isOpen: boolean; servedBy: string | null; last: number } | null {
  let state: { isOpen: boolean; servedBy: string | null; last: number } | null = null;
  for (const row of rows) {
    if (row.t > t) break;
    state = { isOpen: !isLeave(row), servedBy: row.servedAfter, last: row.number };
  }
  return state;
}
