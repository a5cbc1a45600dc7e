import type { RoomName } from "../chat/ports.ts";

/** Which step of which chat events belong to, and who hears of it. */
export type StepMark = {
  chatId: string;
  number: number;
  /** Who hears of this step. */
  rooms: RoomName[];
  /** Who hears of the chat's next step, when it is somebody else. */
  next?: RoomName[] | undefined;
};

type Watermark = {
  /** Up to this number everything was told here. */
  told: number;
  /** Who hears of the next step. */
  followers: RoomName[];
  /** The later steps that have come in, and who hears of the next one after each. */
  ahead: Map<number, RoomName[]>;
};

/**
 * How far this process has told its connections of each chat that concerns them.
 * @param isHere whether a room has somebody on this process
 */
export function createWatermarks(isHere: (room: RoomName) => boolean) {
  const chats = new Map<string, Watermark>();
  /** While chats are read to be begun: what has come in of those that are unknown, and those that may be begun anew. */
  let early: Map<string, StepMark[]> | null = null;
  const aside = new Map<string, Watermark>();

  const isOver = ({ followers }: Watermark) => !followers.some(isHere);

  function add(chatId: string, told: number, followers: RoomName[]): Watermark {
    const chat = { told, followers, ahead: new Map() };
    chats.set(chatId, chat);
    return chat;
  }

  function advance(chat: Watermark): void {
    for (let next = chat.ahead.get(chat.told + 1); next; next = chat.ahead.get(chat.told + 1)) {
      chat.told++;
      chat.followers = next;
      chat.ahead.delete(chat.told);
    }
  }

  /**
   * A step was told here.
   * @returns false when another one before it is missing
   */
  function heard(mark: StepMark): boolean {
    const { chatId, number, rooms, next = rooms } = mark;
    const chat = chats.get(chatId) ?? (number === 1 ? add(chatId, 0, rooms) : null);
    if (!chat) {
      early?.set(chatId, [...(early.get(chatId) ?? []), mark]);
      return true;
    }
    if (number <= chat.told) return true;
    chat.ahead.set(number, next);
    advance(chat);
    return chat.ahead.size === 0;
  }

  return {
    heard,

    /**
     * What comes in from now on of unknown chats is remembered until `begin` is called with what was read. Chats that
     * nobody followed count as unknown: what was told while nobody was here to hear it says nothing about who is here now.
     * Answers which those are.
     */
    startReading(isFollowed: (room: RoomName) => boolean): ReadonlySet<string> {
      early = new Map();
      for (const [chatId, chat] of chats) {
        if (chat.followers.some(isFollowed)) continue;
        aside.set(chatId, chat);
        chats.delete(chatId);
      }
      return new Set(aside.keys());
    },

    /** Whoever is to hear of these chats has seen them up to `lastNumber`. Those that are known stay as they are. */
    begin(read: { chatId: string; lastNumber: number; followers: RoomName[] }[]): void {
      const waiting = early;
      early = null;
      for (const { chatId, lastNumber, followers } of read) {
        if (chats.has(chatId)) continue;
        add(chatId, lastNumber, followers);
        for (const mark of waiting?.get(chatId) ?? []) heard(mark);
      }
      for (const [chatId, chat] of aside) if (!chats.has(chatId)) chats.set(chatId, chat);
      aside.clear();
    },

    /** A chat of which nothing was told here yet. */
    open: (chatId: string, followers: RoomName[]): void => void add(chatId, 0, followers),

    /** A step, and so all before it, was told. */
    settle({ chatId, number, rooms, next = rooms }: StepMark): void {
      const chat = chats.get(chatId);
      if (!chat || number <= chat.told) return;
      for (const ahead of chat.ahead.keys()) if (ahead < number) chat.ahead.delete(ahead);
      chat.told = number - 1;
      chat.ahead.set(number, next);
      advance(chat);
    },

    /** Whether a step of a known chat hasn't been told yet. */
    isMissing({ chatId, number }: Pick<StepMark, "chatId" | "number">): boolean {
      const chat = chats.get(chatId);
      return chat !== undefined && number > chat.told && !chat.ahead.has(number);
    },

    /** The number up to which a chat was told; undefined when it is unknown. */
    toldOf: (chatId: string): number | undefined => chats.get(chatId)?.told,
    /** The highest number of which something has come in. */
    highestOf: (chatId: string): number =>
      [...(chats.get(chatId)?.ahead.keys() ?? [])].reduce((a, b) => Math.max(a, b), chats.get(chatId)?.told ?? 0),

    /** The chats whose next step concerns somebody here. */
    current: (): string[] => [...chats].filter(([, chat]) => !isOver(chat)).map(([id]) => id),
    /** Nobody here hears of the chat's next step. */
    isOver(chatId: string): boolean {
      const chat = chats.get(chatId);
      return chat === undefined || isOver(chat);
    },

    /** Forgets the chats that are over, except those to be kept. */
    forgetOver(kept: Set<string>): void {
      for (const [chatId, chat] of chats) if (isOver(chat) && !kept.has(chatId)) chats.delete(chatId);
    },
  };
}
