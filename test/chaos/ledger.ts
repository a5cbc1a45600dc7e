// The events of a run, as each client, pod and database recorded them. The checker knows nothing else. Times are ms since
// 1970, of the one clock of the one machine.
import { createReadStream, createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { finished } from "node:stream/promises";

/** A message as a client saw it: number, id, content as JSON. */
export type Seen = [number: number, id: string, content: string];

/** `as` is its place in the snapshot: a visitor's open chat, a chat that the staff member serves, or one of the queue. */
export type SnapshotChat = { chat: string; as: "open" | "active" | "queued"; messages: Seen[] } & Flagging;

/** A chat on the screen of a person who uses the client library. A visitor's closed chat stays on the screen. */
export type ScreenChat = { chat: string; as: "open" | "closed" | "queued" | "active" | "watched"; messages: Seen[] };

/** The flag and the number of tags of a chat as a client saw them, where there are any. */
export type Flagging = { severity?: number; tags?: number };

export type Settings = {
  seed: string;
  scenario: string;
  graceMs: number;
  leaseMs: number;
  /** How often a pod renews its lease. */
  touchMs: number;
  /** How often a pod repairs from the database what Redis lost. */
  repairMs: number;
  drainMs: number;
  /** How soon a lost event is delivered once things work again. */
  healMs: number;
};

/** `role` 0 is a visitor. */
export type User = { user: string; role: 0 | 1 | 2 | 3; organisation: string; name: string };

export type Fault = {
  name: string;
  /** When it was over, and all that it touched could work again. */
  end: number;
  /** The part that failed: the pods of these names, or Redis or PostgreSQL for everybody. */
  of: "pods" | "redis" | "postgres" | "harness";
  pods: string[];
  /** The pods were frozen, or without Redis: when it lasts, others may believe that they are dead. */
  isolates: boolean;
  /** Redis has forgotten who is online. */
  losesPresence: boolean;
  /** Pods were stopped as for a restart, which nobody should notice. */
  restarts: boolean;
  about: string;
};

/** Why a connection ended: the client left, it lost it as the script says, or something else took it away. */
export type Ending = "choice" | "script" | "dropped";

type Kinds = {
  settings: Settings;
  user: User;
  fault: Fault;
  /** `isLibrary`: the client is the client library, whose screens are judged in place of its events. */
  connected: {
    connection: string;
    client: string;
    user: string;
    pod: string;
    transports: string;
    isLibrary?: boolean;
  };
  /** `returns`: whether the client will connect again by itself. */
  disconnected: { connection: string; why: Ending; reason: string; returns: boolean };
  /** A client that had lost its connection won't connect again: its user has closed it meanwhile. */
  "gave up": { client: string };
  paused: { connection: string; end: number };
  /** One attempt to send something; the attempts of one message share its `id`. */
  asked: {
    ask: string;
    connection: string;
    event: string;
    id?: string;
    chat?: string;
    content?: string;
    severity?: number;
  };
  /** `null`: there was no answer, because of `why`. */
  answered: { ask: string; ok: boolean | null; why: string | null; chat?: string; number?: number };
  /** `about` is the user that the event names first. */
  received: {
    connection: string;
    event: string;
    chat?: string;
    number?: number;
    id?: string;
    content?: string;
    about?: string;
  } & Flagging;
  /** `online` is null for visitors. */
  snapshot: {
    connection: string;
    chats: SnapshotChat[];
    flagged: [chat: string, severity: number][];
    online: string[] | null;
  };
  /** The screen of a person who uses the client library. `unsent` messages are neither stored nor failed. */
  screen: { connection: string; chats: ScreenChat[]; unsent: number; queueTotal: number };
  /** Nothing has been going on for a while: what staff believe is compared with the truth. */
  quiet: Record<never, never>;
  "pod started": { pod: string; pid: number };
  /** `asked` is the signal it was sent. */
  "pod ended": { pod: string; code: number | null; asked: NodeJS.Signals | null; askedAt: number | null };
  /** `said` is the message of an error that was logged, or NO_LOG_LINE. */
  "pod said": { pod: string; said: string; line: string };
  /** The answer of /readyz: 0 is none in time. */
  readiness: { pod: string; status: number };
  chat: {
    chat: string;
    organisation: string;
    visitor: string;
    status: string;
    staff: string | null;
    last: number;
    /** The number of the internal log's last entry. */
    lastInternal: number;
    severity: number;
  };
  /** `stored` are the columns that no client sees. */
  row: {
    chat: string;
    number: number;
    id: string;
    type: number;
    sender: string;
    byStaff: boolean;
    content: string;
    stored: { kind: string; cause: string | null; servedBy: string | null; data: string | null };
  };
  /** An entry of a chat's internal log. */
  internal: {
    chat: string;
    number: number;
    entry: string;
    cause: string | null;
    actor: string;
    data: string;
  };
  /** A pod's counters: entries of kinds that it doesn't know, and repaired events by name. */
  counted: { pod: string; unknown: number; healed: Record<string, number> };
  /** Something that no user left behind should be there for. */
  leftover: { where: string; what: string };
};

export type Kind = keyof Kinds;
export type Entry<K extends Kind = Kind> = { [Each in K]: { t: number; kind: Each } & Kinds[Each] }[K];
/** An entry to write: its time is now unless it is stated. */
export type Note = { [Each in Kind]: { t?: number; kind: Each } & Kinds[Each] }[Kind];

/** Output of a process that doesn't come from its logger. */
export const NO_LOG_LINE = "output that is no log line";

export type Ledger = { note(note: Note): void; close(): Promise<void> };

/** Writes entries to a file, one line of JSON each. */
export function openLedger(file: string): Ledger {
  const stream = createWriteStream(file);
  return {
    note(note) {
      // Notes that come after the end of the run are of no interest.
      if (!stream.writableEnded) stream.write(`${JSON.stringify({ t: Date.now(), ...note })}\n`);
    },
    async close() {
      stream.end();
      await finished(stream);
    },
  };
}

/** Reads ledgers of several writers into one, in the order of time. */
export async function readLedgers(files: string[]): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const file of files) {
    // Line by line: the whole of a long run is more than a text can hold.
    for await (const line of createInterface(createReadStream(file))) entries.push(JSON.parse(line));
  }
  return entries.sort((a, b) => a.t - b.t);
}
