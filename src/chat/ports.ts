import type { RefusalCode } from "../contract/errors.ts";
import type { ServerEventName, ServerPayload } from "../contract/events.ts";
import type { ChatMessage, ChatStatus, Content, Room, Staff, Visitor } from "../contract/models.ts";
import type { UserRef } from "../identity/user-ref.ts";
import type { Step } from "./steps.ts";
import type { Shown } from "./visitors-view.ts";

/** Whoever acts: a user of one organisation on one connection, or on none when time has run out for him. */
export type StaffCaller = { kind: "staff"; user: Staff; organisationId: string; connectionId: string | null };
export type VisitorCaller = { kind: "visitor"; user: Visitor; organisationId: string; connectionId: string | null };
export type Caller = StaffCaller | VisitorCaller;

/** A chat as the database had it at the end of the statement that returned it. */
export type Chat = {
  organisationId: string;
  status: ChatStatus;
  room: Room;
  visitor: Visitor;
  /** Who serves it; once it is closed, who served it last. */
  staff: Staff | null;
  /** The number of its last message or system message. */
  lastNumber: number;
};
export type ChatWithMessages = Chat & { messages: ChatMessage[] };
/** Chats that were read, without those whose rows can't be: `unreadable` says why. */
export type Readable<C extends Chat> = { chats: C[]; unreadable: unknown[] };
/** The chats, and as many messages of each, that fit into a snapshot; `total` counts all others as well. */
export type ChatList = Readable<ChatWithMessages> & { total: number };

export type NewMessage = {
  /** 32 hex digits; the same id from the same sender is the same message. */
  id: string;
  organisationId: string;
  senderId: string;
  /** The chat, when a staff writes; a visitor's message goes to his open chat. */
  chatId: string | null;
  content: Content;
};

/**
 * What became of a message: `stored` now; `resent`, so that nobody hears it again; or `refused`, because there is no
 * such open chat, its sender doesn't serve the chat, or a staff has used its id in another one.
 */
export type Appended =
  | { outcome: "stored"; chat: Chat; message: ChatMessage }
  | { outcome: "resent"; message: ChatMessage }
  | { outcome: "refused"; why: "roomClosed" | "notServing" | "messageIdUsed" };

export type Transition = { organisationId: string; chatId: string; staffId: string };

/**
 * The outcome of a transition: `done` now; `again` when the same caller repeats it, which isn't announced again; or
 * `refused`.
 */
export type Decided<T> =
  | { outcome: "done"; result: T }
  | { outcome: "again" }
  | { outcome: "refused"; why: RefusalCode };

/** How long a statement is tried while somebody else keeps the chat locked; 15 s where nothing else is said. */
export type Limits = { giveUpMs?: number };

/**
 * The truth about chats. Every transition is one conditional statement that also appends its system message, and says why
 * when it changes nothing: rivals on any process are served one after the other, and one of them wins. All of it is
 * committed before a promise resolves. When a promise rejects nothing is, unless the answer was lost on the way.
 */
export interface ChatStore {
  append(message: NewMessage): Promise<Appended>;
  /** Opens a chat with its first message; null when the visitor has an open chat already. */
  open(message: NewMessage): Promise<{ chat: Chat; message: ChatMessage } | null>;
  claim(by: Transition): Promise<Decided<ChatWithMessages>>;
  /** Takes over from a staff of a strictly lower role; `from` is the one who served. */
  takeOver(by: Transition): Promise<Decided<{ chat: Chat; from: Staff }>>;
  leaveAsStaff(by: Transition & Limits): Promise<Decided<Chat>>;
  /**
   * Closes the visitor's open chat, with `chatId` only that one, and answers null without one; the chat's `staff` is null when
   * it was still queued.
   */
  leaveAsVisitor(visitorId: string, limits?: Limits & { chatId?: string }): Promise<Chat | null>;
  /** `by` is the staff as they are now. */
  flag(by: Transition & { severityLevel: number }): Promise<Decided<{ chat: Chat; by: Staff }>>;

  /** The ids of the chats that a staff serves. */
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
  /** The 15 of each of these organisations that were flagged last, the last one first. */
  flagged(organisationIds: string[]): Promise<Readable<Chat>>;
  /** Everybody who takes part in an open chat. */
  participants(): Promise<UserRef[]>;

  /** How far the chats of a scope have come. */
  progress(scope: Scope): Promise<Progress[]>;
  /**
   * What comes after a number in each of these chats, in order: at most 200 steps of each, and at most some 1 MB of
   * contents, but at least one step of each. Unknown chats are left out.
   */
  histories(wanted: { chatId: string; after: number }[]): Promise<History[]>;
  /** A visitor's newest messages below a number, as many as fit into an event. */
  messagesBefore(chatId: string, number: number): Promise<ChatMessage[]>;
}

/** The chats that somebody hears of. */
export type Scope = {
  /** Organisations all of whose open chats count. */
  monitored: string[];
  /** Organisations whose queue counts. */
  staffed: string[];
  /** Staff whose chats count. */
  staff: string[];
  /** Visitors whose chats count. */
  visitors: string[];
  /** Chats that count, whatever has become of them. */
  chatIds: string[];
  /** Of `staffed` and `visitors` all chats that were opened since then count, open or not. In ms. */
  openedSince: number;
};
export type Progress = {
  chatId: string;
  organisationId: string;
  visitorId: string;
  staffId: string | null;
  status: ChatStatus;
  lastNumber: number;
};
/** `servedBefore` is who served the chat before the first of the messages. */
export type History = { chat: Chat; servedBefore: string | null; messages: ChatMessage[] };

/**
 * Socket.IO rooms are identities, not chats: a connection joins its own once, on connect, and never leaves them. Who
 * hears what is decided by the row that a statement returned, so there is no membership to race with.
 */
export type VisitorRoomName = `visitor:${string}`;
export type StaffRoomName = `staff:${string}` | `org:${string}:staff` | `org:${string}:monitors`;
export type RoomName = VisitorRoomName | StaffRoomName | `org:${string}`;

/** One event for every connection of an organisation that is in one of the rooms and in none of `except`. */
export type Announcement = StaffAnnouncement | SeenAnnouncement;
export type StaffAnnouncement = {
  [E in ServerEventName]: { event: E; payload: ServerPayload<E>; rooms: StaffRoomName[]; except: RoomName[] };
}[ServerEventName];
/** Only what visitors may see goes to a visitor's room. */
type SeenAnnouncement = {
  [E in ServerEventName]: {
    event: E;
    payload: Shown<ServerPayload<E>>;
    rooms: (VisitorRoomName | StaffRoomName)[];
    except: RoomName[];
  };
}[ServerEventName];

/**
 * Sends an event to the staff whom it concerns, on any process, except the connection `by`. It never fails and never waits; what
 * gets lost of who is online is told again by each process, a flag is in the next snapshot.
 */
export type Emit = (organisationId: string, announcement: StaffAnnouncement, by: string | null) => void;

/**
 * Tells everybody whom a step concerns, on any process, except the connection that did it. It never fails and never
 * waits: a process that misses it finds that out, and tells it to its own connections within 5 s.
 */
export type Announce = (step: Step, by: string | null) => void;

/** What the functions of this folder need from outside. */
export type ChatPorts = { chats: ChatStore; emit: Emit; announce: Announce; newId: () => string };
