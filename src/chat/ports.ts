import type { RefusalCode } from "../contract/errors.ts";
import type { ServerEventName } from "../contract/events.ts";
import type { ChatMessage, ChatStatus, Content, Room, Staff, Visitor } from "../contract/models.ts";
import type { UserRef } from "../identity/user-ref.ts";
import type { FollowerGroup } from "./audience.ts";
import type { Cause, Entry } from "./entry.ts";
import type { Shown } from "./visitors-view.ts";

/** The acting user, with their organisation and connection. The connection is null when a grace period has ended. */
export type StaffCaller = { kind: "staff"; user: Staff; organisationId: string; connectionId: string | null };
export type VisitorCaller = { kind: "visitor"; user: Visitor; organisationId: string; connectionId: string | null };
export type Caller = StaffCaller | VisitorCaller;

/** A chat as the database had it at the end of the statement that returned it. */
export type Chat = {
  organisationId: string;
  status: ChatStatus;
  room: Room;
  visitor: Visitor;
  /** The serving staff member; in a closed chat the one who served it last. */
  staff: Staff | null;
  /** The number of its last message or system message. */
  lastNumber: number;
};
/**
 * A chat has two logs, each numbered from 1 without gap. The visitor sees the whole conversation. The internal log
 * never reaches a visitor.
 */
export type LogName = "conversation" | "internal";
export type ChatWithMessages = Chat & { messages: ChatMessage[] };
/** Chats that were read. `unreadable` has the reason for each chat with an unreadable row. */
export type Readable<C extends Chat> = { chats: C[]; unreadable: unknown[] };
/** The chats, and as many messages of each, that fit into a snapshot; `total` counts all others as well. */
export type ChatList = Readable<ChatWithMessages> & { total: number };
/** The same; `servedBy` counts the chats of each staff member, listed or not. */
export type CountedList = ChatList & { servedBy: ReadonlyMap<string | null, number> };

export type NewMessage = {
  /** 32 hex digits; the same id from the same sender is the same message. */
  id: string;
  organisationId: string;
  senderId: string;
  /** The chat of a staff member's message. A visitor's message goes to their open chat. */
  chatId: string | null;
  content: Content;
};

/**
 * The outcome of a message. `stored`: now. `resent`: it was stored before, so it isn't delivered again. `refused`: the
 * chat isn't open, its sender doesn't serve it, or a staff member has used the id in another chat.
 */
export type Appended =
  | { outcome: "stored"; chat: Chat; message: ChatMessage }
  | { outcome: "resent"; message: ChatMessage }
  | { outcome: "refused"; why: "roomClosed" | "notServing" | "messageIdUsed" };

export type Transition = { organisationId: string; chatId: string; staffId: string };
/** Why somebody leaves: `person` where nothing else is said. */
export type Departure = { cause?: Cause };

/**
 * The outcome of a transition: `done` now; `again` when the same caller repeats it, which isn't announced again; or
 * `refused`.
 */
export type Decided<T> =
  | { outcome: "done"; result: T }
  | { outcome: "again" }
  | { outcome: "refused"; why: RefusalCode };

/** The chat after the last of its new entries, which has the number `lastNumber`. */
export type Joined = { chat: Chat; isLeft: boolean };

/** How long a statement is tried while somebody else keeps the chat locked; 15 s where nothing else is said. */
export type Limits = { giveUpMs?: number };

/**
 * The truth about chats. Every transition is one conditional statement that also appends its system message, and says why
 * when it changes nothing: rivals on any process are served one after the other, and one of them wins. All of it is
 * committed before a promise resolves. When a promise rejects nothing is, unless the answer was lost on the way.
 */
export interface ChatStore {
  append(message: NewMessage): Promise<Appended>;
  /**
   * Opens a chat with its first message; null when the visitor has an open chat already, or their chat was joined to
   * another visitor.
   */
  open(message: NewMessage): Promise<{ chat: Chat; message: ChatMessage } | null>;
  claim(by: Transition): Promise<Decided<ChatWithMessages>>;
  /** Takes over from a staff member of a strictly lower role. `from` is the one who served. */
  takeOver(by: Transition): Promise<Decided<{ chat: Chat; from: Staff }>>;
  leaveAsStaff(by: Transition & Departure & Limits): Promise<Decided<Chat>>;
  /**
   * Closes the visitor's open chat, with `chatId` only that one, and answers null without one; the chat's `staff` is null when
   * it was still queued.
   */
  leaveAsVisitor(visitorId: string, departure?: Departure & Limits & { chatId?: string }): Promise<Chat | null>;
  /**
   * Gives the open chat of an anonymous visitor to an identified one. From then on the anonymous visitor can open no chat.
   * Null without such a chat. The identified visitor may have an open chat already: then a second entry closes the joined
   * one as left (`isLeft`).
   */
  join(people: { organisationId: string; formerId: string; visitorId: string }): Promise<Joined | null>;
  /** Whether the visitor's chat was joined to another visitor. */
  isMerged(visitorId: string): Promise<boolean>;
  /** `by` is the staff member as they are now, `number` the entry's in the internal log. */
  flag(by: Transition & { severityLevel: number }): Promise<Decided<{ chat: Chat; by: Staff; number: number }>>;

  /** The ids of the chats that a staff member serves. */
  servedBy(staffId: string): Promise<string[]>;
  /** The id of the visitor's open chat, if there is one. */
  openedBy(visitorId: string): Promise<string[]>;
  /**
   * The queued chats of each of these organisations, oldest first, each with its visitor's newest messages. Answers for the
   * first of them, as many as some MB hold, and at least for one.
   */
  queues(organisationIds: string[]): Promise<ChatList[]>;
  /** The same of the chats that each of these staff serves, system messages included. */
  active(staffIds: string[]): Promise<ChatList[]>;
  /** The same of the open chat of each of these visitors. */
  openChats(visitorIds: string[]): Promise<ChatList[]>;
  /** The chats that each of these staff serves, with at most 20 messages of each, system messages included. */
  activeLately(staffIds: string[]): Promise<ChatList[]>;
  /**
   * The queued chats of each of these organisations, oldest first: at most 200, and 240 KB as JSON. Each has its last
   * message or system message alone. A large one is left out.
   */
  queuesForStaff(organisationIds: string[]): Promise<ChatList[]>;
  /** The same of the claimed chats. */
  claimedForStaff(organisationIds: string[]): Promise<CountedList[]>;
  /** The 15 of each of these organisations that were flagged last, the last one first. */
  flagged(organisationIds: string[]): Promise<Readable<Chat>>;
  /** The chat as it is now, with its newest messages, system messages included; null when the organisation has no such chat. */
  chatForStaff(organisationId: string, chatId: string): Promise<ChatWithMessages | null>;
  /** The staff member who serves the chat now; null when nobody does. */
  servingStaff(organisationId: string, chatId: string): Promise<Staff | null>;
  /** Everybody who takes part in an open chat. */
  participants(): Promise<UserRef[]>;

  /** The open chats of these visitors, without messages. */
  openChatsOf(visitorIds: string[]): Promise<Chat[]>;

  /** How far the logs of the chats of a scope have come. */
  progress(scope: Scope): Promise<Progress[]>;
  /**
   * The numbers where delivery of a chat starts on a process that doesn't know it. In the conversation: before the entry
   * that brought the chat to its present staff member. In the internal log: before the first entry since `since` (in ms).
   */
  starts(chatIds: string[], since: number): Promise<Map<string, Record<LogName, number>>>;
  /**
   * The entries after a number of one log of each of these chats, in order: at most 200 of each, and at most some 1 MB of
   * contents, but at least one of each. Unknown chats are left out.
   */
  histories(log: LogName, wanted: { chatId: string; after: number }[]): Promise<History[]>;
  /** A visitor's newest messages below a number, as many as fit into an event. */
  messagesBefore(chatId: string, number: number): Promise<ChatMessage[]>;
}

/** The chats that somebody on this process follows. */
export type Scope = {
  /** The ids for each group of the audience table: organisations, staff or visitors. */
  groups: Record<FollowerGroup, string[]>;
  /** Chats that count, whatever has become of them. */
  chatIds: string[];
  /**
   * In ms. For `allStaff` and `visitor` all chats opened since then count, open or not. For `monitors` all chats with
   * an internal entry since then count.
   */
  since: number;
};
export type Progress = {
  chatId: string;
  organisationId: string;
  visitorId: string;
  staffId: string | null;
  status: ChatStatus;
  /** The number of the last entry of each log. */
  last: Record<LogName, number>;
};
/** An entry as it is stored: `kind` and `data` may be of a version that this process doesn't know. */
export type StoredEntry = {
  number: number;
  kind: string;
  cause: string | null;
  /** The user who made the entry. */
  actorId: string;
  /** The staff member who served the chat right after it. */
  servedBy: string | null;
  data: unknown;
  /** The message on the wire; null for an internal entry. */
  message: ChatMessage | null;
};
/** Entries of one log of a chat. `chat` is as it is now. */
export type History = { chat: Chat; entries: StoredEntry[] };

/**
 * Socket.IO rooms are identities, not chats. A connection joins its rooms once, on connect, and never leaves them. The
 * row that a statement returns decides the receivers, so there is no membership to race with.
 */
export type VisitorRoomName = `visitor:${string}`;
export type StaffRoomName = `staff:${string}` | `org:${string}:staff` | `org:${string}:monitors`;
export type RoomName = VisitorRoomName | StaffRoomName | `org:${string}`;

/** One event for every connection of an organisation that is in one of the rooms and in none of `except`. */
export type Announcement = StaffAnnouncement | VisitorAnnouncement;
export type StaffAnnouncement = {
  event: ServerEventName;
  payload: object;
  rooms: StaffRoomName[];
  except: RoomName[];
};
/** A visitor's room accepts only a payload that a visitor may see. */
type VisitorAnnouncement = Omit<StaffAnnouncement, "payload" | "rooms"> & { payload: Shown<object>; rooms: RoomName[] };

/**
 * Publishes that a user came online or went offline. It never fails and never waits. `id` is the staff member of a
 * `staff_goes_*` event, which each process repairs from presence when the event is lost.
 */
export type Signal = (organisationId: string, announcement: StaffAnnouncement, id?: string) => void;

/**
 * Publishes an entry to its receivers on every process, except the connection that made it. It never fails and never
 * waits: a process that misses the entry finds that out, and delivers it to its own connections within 5 s.
 */
export type Announce = (entry: Entry, by: string | null) => void;

/** The external needs of this folder's functions. */
export type ChatPorts = { chats: ChatStore; signal: Signal; announce: Announce; newId: () => string };
