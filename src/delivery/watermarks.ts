import type { ChatRoomName } from "../chat/audience.ts";
import type { RoomName } from "../chat/ports.ts";

/** The number of an entry in its log, and the rooms that follow the log after it. */
export type EntryMark = { chatId: string; number: number; followers: ChatRoomName[] };

type Watermark = {
  /** Up to this number every entry was delivered here. */
  delivered: number;
  /** The rooms that follow the log from there on. */
  followers: ChatRoomName[];
  /** The later entries that were delivered, and who follows the log after each. */
  ahead: Map<number, ChatRoomName[]>;
};

/** While the database can't be read, so many unknown chats may have pending entries, twice. */
const MAX_PENDING = 10_000;

/**
 * How far this process has delivered one log of each chat to its own connections.
 * @param isHere whether a room has a connection on this process
 */
export function createWatermarks(isHere: (room: RoomName) => boolean) {
  const chats = new Map<string, Watermark>();
  /** Delivered entries of chats that aren't known here. They are pending until the chat is read. */
  let pending = new Map<string, EntryMark[]>();
  let pendingBefore = new Map<string, EntryMark[]>();
  const aside = new Map<string, Watermark>();

  const isOver = ({ followers }: Watermark) => !followers.some(isHere);

  function advance(chat: Watermark): void {
    for (let next = chat.ahead.get(chat.delivered + 1); next; next = chat.ahead.get(chat.delivered + 1)) {
      chat.delivered++;
      chat.followers = next;
      chat.ahead.delete(chat.delivered);
    }
  }

  /** Places a chat, with what is pending of it. */
  function place(chatId: string, chat: Watermark): void {
    chats.set(chatId, chat);
    const marks = [...(pendingBefore.get(chatId) ?? []), ...(pending.get(chatId) ?? [])];
    pending.delete(chatId);
    pendingBefore.delete(chatId);
    for (const mark of marks) receive(mark);
  }

  const add = (chatId: string, delivered: number, followers: ChatRoomName[]) =>
    place(chatId, { delivered, followers, ahead: new Map() });

  function rotatePending(): void {
    [pendingBefore, pending] = [pending, new Map()];
  }

  /**
   * An entry was delivered here.
   * @returns false when an entry before it is missing
   */
  function receive(mark: EntryMark): boolean {
    const { chatId, number, followers } = mark;
    if (!chats.has(chatId) && number === 1) add(chatId, 0, followers);
    const chat = chats.get(chatId);
    if (!chat) {
      pending.set(chatId, [...(pending.get(chatId) ?? []), mark]);
      if (pending.size > MAX_PENDING) rotatePending();
      return true;
    }
    if (number <= chat.delivered) return true;
    chat.ahead.set(number, followers);
    advance(chat);
    return chat.ahead.size === 0;
  }

  return {
    receive,

    /**
     * Call it before chats are read for `begin`. A chat that nobody followed counts as unknown: what was delivered while
     * nobody was here says nothing about the connections that are here now.
     * @returns those chats
     */
    startReading(isFollowed: (room: RoomName) => boolean): ReadonlySet<string> {
      for (const [chatId, chat] of chats) {
        if (chat.followers.some(isFollowed)) continue;
        aside.set(chatId, chat);
        chats.delete(chatId);
      }
      return new Set(aside.keys());
    },

    /** The followers of these chats have seen them up to `last`. Known chats stay as they are. */
    begin(read: { chatId: string; last: number; followers: ChatRoomName[] }[]): void {
      for (const { chatId, last, followers } of read) if (!chats.has(chatId)) add(chatId, last, followers);
      for (const [chatId, chat] of aside) if (!chats.has(chatId)) place(chatId, chat);
      aside.clear();
    },

    /** Adds a chat that is new to the connections here. It counts as delivered up to a number, or further if it was. */
    open(chatId: string, delivered: number, followers: ChatRoomName[]): void {
      const chat = chats.get(chatId);
      if (!chat) {
        add(chatId, delivered, followers);
        return;
      }
      chat.followers = followers;
      for (const number of chat.ahead.keys()) if (number <= delivered) chat.ahead.delete(number);
      chat.delivered = Math.max(chat.delivered, delivered);
      advance(chat);
    },

    /** An entry, and so all before it, is delivered or has nobody here to be delivered to. */
    settle({ chatId, number, followers }: EntryMark): void {
      const chat = chats.get(chatId);
      if (!chat || number <= chat.delivered) return;
      for (const ahead of chat.ahead.keys()) if (ahead < number) chat.ahead.delete(ahead);
      chat.delivered = number - 1;
      chat.ahead.set(number, followers);
      advance(chat);
    },

    /** Whether an entry of a known chat wasn't delivered yet. */
    isMissing({ chatId, number }: Pick<EntryMark, "chatId" | "number">): boolean {
      const chat = chats.get(chatId);
      return chat !== undefined && number > chat.delivered && !chat.ahead.has(number);
    },

    /** The number up to which a chat's log was delivered; undefined for an unknown chat. */
    deliveredOf: (chatId: string): number | undefined => chats.get(chatId)?.delivered,
    /** The highest number that was delivered. */
    highestOf: (chatId: string): number =>
      [...(chats.get(chatId)?.ahead.keys() ?? [])].reduce((a, b) => Math.max(a, b), chats.get(chatId)?.delivered ?? 0),

    /** The chats that somebody here follows. */
    current: (): string[] => [...chats].filter(([, chat]) => !isOver(chat)).map(([id]) => id),
    /** Whether nobody here follows the chat any more. */
    isOver(chatId: string): boolean {
      const chat = chats.get(chatId);
      return chat === undefined || isOver(chat);
    },

    /** Forgets the chats that match, and what has been pending since the call before. */
    forget(matches: (chatId: string, isOver: boolean) => boolean): void {
      for (const [chatId, chat] of chats) if (matches(chatId, isOver(chat))) chats.delete(chatId);
      rotatePending();
    },
  };
}
