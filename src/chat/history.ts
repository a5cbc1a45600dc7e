import { Compile, type Validator } from "typebox/compile";
import type { ChatMessage, ChatStatus, Staff } from "../contract/models.ts";
import type { People } from "../identity/accounts.ts";
import { type ChatRoomName, followerRooms } from "./audience.ts";
import { type Cause, causes, type Entry, type EntryKind } from "./entry.ts";
import { closes, type DataOf, isKnown, kinds, logOf } from "./kinds.ts";
import type { Chat, ChatStore, History, LogName, StoredEntry } from "./ports.ts";

/**
 * An entry as it was read back. `entry` is null when this version doesn't know the entry's kind: nobody receives it, and
 * its log goes on behind it. `followers` are the rooms that follow the log after it.
 */
export type ReadEntry = { chatId: string; number: number; entry: Entry | null; followers: ChatRoomName[] };

const validators = new Map<string, Validator>(Object.entries(kinds).map(([kind, { data }]) => [kind, Compile(data)]));

type Ports = { chats: Pick<ChatStore, "messagesBefore">; people: Pick<People, "staff"> };

/**
 * Reads stored entries of one log back, in order. People and rooms are as they are now.
 * @throws when an entry of a known kind isn't what the registry says
 */
export async function readEntries({ chats, people }: Ports, log: LogName, histories: History[]): Promise<ReadEntry[]> {
  const staff = new Map((await people.staff(staffIdsIn(histories))).map((one) => [one.id, one]));
  const staffOf = (id: string): Staff => {
    const found = staff.get(id);
    if (!found) throw new Error(`The staff member ${id} of an entry doesn't exist`);
    return found;
  };

  async function resolve(chat: Chat, stored: StoredEntry, kind: EntryKind): Promise<Entry> {
    const cause = causes.find((one) => one === stored.cause) ?? "unknown";
    const base: { chat: Chat; number: number; cause: Cause } = { chat, number: stored.number, cause };
    switch (kind) {
      case "message":
        return { ...base, kind, message: messageOf(stored) };
      case "claimed":
        return { ...base, kind, messages: await chats.messagesBefore(chat.room.id, stored.number) };
      case "takenOver":
        return { ...base, kind, from: staffOf((stored.data as DataOf<"takenOver">).from) };
      case "visitorIdentified":
        return { ...base, kind, formerId: (stored.data as DataOf<"visitorIdentified">).former };
      case "flagged":
        return { ...base, kind, by: staffOf(stored.actorId) };
      default:
        return { ...base, kind };
    }
  }

  const read: ReadEntry[] = [];
  for (const { chat: now, entries } of histories) {
    for (const stored of entries) {
      const chat = log === "conversation" ? chatAfter(stored, now, staffOf) : now;
      const { organisationId, visitor, status } = chat;
      const members = { organisationId, visitorId: visitor.id, staffId: chat.staff?.id ?? null };
      const followers = followerRooms(log, status, members);
      const kind = knownKind(stored, log);
      const entry = kind && (await resolve(chat, stored, kind));
      read.push({ chatId: now.room.id, number: stored.number, entry, followers });
    }
  }
  return read;
}

/** The chat as it was right after an entry of its conversation. */
function chatAfter({ kind, number, servedBy }: StoredEntry, now: Chat, staffOf: (id: string) => Staff): Chat {
  const isLast = number === now.lastNumber;
  const open: ChatStatus = servedBy === null ? "unclaimed" : "claimed";
  // Whether an entry of an unknown kind closes the chat, only the chat's row says.
  const status = isLast ? now.status : isKnown(kind) && closes(kind) ? "closed" : open;
  return { ...now, status, staff: servedBy === null ? null : staffOf(servedBy), lastNumber: number };
}

/** Null when this version doesn't know the kind. */
function knownKind({ kind, data, number }: StoredEntry, log: LogName): EntryKind | null {
  if (!isKnown(kind)) return null;
  if (logOf(kind) !== log) throw new Error(`Entry ${number}: ${kind} isn't a kind of the log ${log}`);
  if (!validators.get(kind)?.Check(data ?? {})) throw new Error(`Entry ${number}: the data of ${kind} is invalid`);
  return kind;
}

function messageOf({ message, number }: StoredEntry): ChatMessage {
  if (message?.type_id !== 1) throw new Error(`Entry ${number} is no message`);
  return message;
}

function staffIdsIn(histories: History[]): string[] {
  const ids = histories.flatMap(({ entries }) =>
    entries.flatMap(({ kind, actorId, servedBy, data }) => [
      servedBy,
      kind === "flagged" ? actorId : null,
      kind === "takenOver" ? ((data as DataOf<"takenOver"> | null)?.from ?? null) : null,
    ]),
  );
  return [...new Set(ids.filter((id) => id !== null))];
}
