import { setTimeout as delay } from "node:timers/promises";
import { announcementsOf } from "../chat/announcements.ts";
import { type ChatRoomName, type Following, followerRooms, followingsOf } from "../chat/audience.ts";
import { type Entry, membersOf } from "../chat/entry.ts";
import type { ReadEntry } from "../chat/history.ts";
import { logOf } from "../chat/kinds.ts";
import type { Announcement, Caller, ChatStore, LogName, Progress, RoomName, Scope } from "../chat/ports.ts";
import type { ShowToVisitor } from "../chat/visitors-view.ts";
import { type Behind, createRepair, type RepairParts } from "./repair.ts";
import { createWatermarks, type EntryMark } from "./watermarks.ts";

/** How often every chat is compared with the database. */
export const CHECK_INTERVAL_MS = 2_000;
/** How long a committed entry may still be on its way through the bus; longer when entries lately took longer. */
const PATIENCE_MS = 500;
const MAX_PATIENCE_MS = 2_000;
/** A statement may take 15 s, and the processes' clocks may differ by some more. */
const RECENT_MS = 30_000;

type Parts = Omit<RepairParts, "chats" | "deliveredOf" | "deliver"> & {
  chats: RepairParts["chats"] & Pick<ChatStore, "progress" | "starts">;
  show: ShowToVisitor;
  /** Whether a room has a connection on this process. */
  isHere: (room: RoomName) => boolean;
  /** Delivers an event to this process's own connections. */
  deliverHere: (announcement: Announcement) => void;
  /** How long entries of other processes take to arrive at the moment. */
  lagMs: () => number;
  /** Called with each event that was delivered from the database. */
  onRepaired: (event: string, entry: Entry) => void;
  onFault: (error: unknown) => void;
};

export type Gaps = {
  /** Call it before the snapshot of a connection is read, in its rooms: the connection misses nothing from then on. */
  follow(caller: Caller): Promise<void>;
  /** A room has no connection here any more. */
  unfollow(room: string): void;
  /** An entry was delivered here: something may be missing before it. */
  receive(log: LogName, mark: EntryMark): void;
  /** Compares every chat with the database, and delivers what is missing here. */
  check(options?: { atOnce?: boolean }): Promise<void>;
};

const logs: LogName[] = ["conversation", "internal"];

/** The mark of an entry that was just stored. */
export const markOf = (entry: Entry): EntryMark => ({
  ...{ chatId: entry.chat.room.id, number: entry.number },
  followers: followerRooms(logOf(entry.kind), entry.chat.status, membersOf(entry)),
});

/**
 * Repairs entries that the bus loses, or that a dead process didn't publish. This process delivers them from the database:
 * as the same events, in order, some 3 s later at most, or 4 s when everything is slow.
 * @param wait resolves after so many ms
 */
export function createGaps(parts: Parts, wait: (ms: number) => Promise<unknown> = delay): Gaps {
  const { chats, show, isHere, deliverHere, lagMs, onRepaired, onFault } = parts;
  const watermarks = { conversation: createWatermarks(isHere), internal: createWatermarks(isHere) };
  const repairOf = (log: LogName) =>
    createRepair(log, {
      ...parts,
      deliveredOf: watermarks[log].deliveredOf,
      deliver: (entry) => deliver(log, entry),
    });
  const repair = { conversation: repairOf("conversation"), internal: repairOf("internal") };
  const followed = new Map<RoomName, Following>();
  const wanted: Caller[] = [];
  let inTurn: Promise<unknown> = Promise.resolve();
  let nextReading: Promise<void> | null = null;
  const skipped = { conversation: new Set<string>(), internal: new Set<string>() };
  /** The chats whose internal entries arrived since the last comparison began. */
  const arrived = new Set<string>();
  /** The chats whose internal log was behind at the last comparison: they count until they are repaired. */
  let unrepaired: string[] = [];
  let lastCheckAt = Date.now();

  // Where everything is late, a repair would only deliver twice, and make everything later.
  const patienceMs = () => Math.min(PATIENCE_MS + 2 * lagMs(), MAX_PATIENCE_MS);

  /** One reading at a time: the next one starts from the result of the one before. */
  function read<T>(work: () => Promise<T>): Promise<T> {
    const result = inTurn.then(work);
    inTurn = result.catch(() => {});
    return result;
  }

  function scopeOf(followings: Iterable<Following>, chatIds: string[]): Scope {
    const groups: Scope["groups"] = { visitor: [], serving: [], allStaff: [], monitors: [] };
    for (const { group, id } of followings) groups[group].push(id);
    return { groups, chatIds, since: lastCheckAt - RECENT_MS };
  }

  /** Reads how far the chats of new rooms have come. Callers that wait meanwhile share the next reading. */
  async function followWanted(): Promise<void> {
    const rooms = new Map<RoomName, Following>();
    for (const caller of wanted.splice(0)) {
      for (const one of followingsOf(caller)) if (!followed.has(one.room)) rooms.set(one.room, one);
    }
    if (rooms.size === 0) return;
    const isFollowed = (room: RoomName) => followed.has(room);
    const unknown = watermarks.conversation.startReading(isFollowed);
    watermarks.internal.startReading(isFollowed);
    const scope = scopeOf(rooms.values(), []);
    let found: Progress[] = [];
    try {
      found = await chats.progress(scope);
    } finally {
      // The next check repairs a new chat whose opening should have been delivered to connections that were here already.
      const isMissed = (chat: Progress) =>
        !unknown.has(chat.chatId) &&
        openedAt(chat) >= scope.since &&
        followerRooms("conversation", "unclaimed", chat).some(isFollowed);
      const placesOf = (log: LogName, chats: Progress[]) =>
        chats.map(({ chatId, last, status, ...members }) => ({
          ...{ chatId, last: last[log], followers: followerRooms(log, status, members) },
        }));
      const seen = found.filter((chat) => !isMissed(chat));
      watermarks.conversation.begin(placesOf("conversation", seen));
      // Where no follower is here, this process never reads the internal log. Where one was here before, an entry may be
      // missing: the next check starts the log.
      const begins = ({ followers }: { followers: ChatRoomName[] }) =>
        followers.some(isHere) && !followers.some(isFollowed);
      watermarks.internal.begin(placesOf("internal", found).filter(begins));
    }
    for (const [room, following] of rooms) if (isHere(room)) followed.set(room, following);
  }

  /** Places the logs of chats that are new to this process, or new to its connections. */
  async function placeNew(found: Progress[], since: number): Promise<void> {
    const entered: [LogName, Progress, ChatRoomName[]][] = [];
    for (const chat of found) {
      for (const log of logs) {
        const known = watermarks[log];
        const isUnknown = known.deliveredOf(chat.chatId) === undefined;
        // A chat that was just opened starts at its beginning, for its followers at that moment.
        if (log === "conversation" && isUnknown && openedAt(chat) >= since) {
          known.open(chat.chatId, 0, followerRooms(log, "unclaimed", chat));
          continue;
        }
        const followers = followerRooms(log, chat.status, chat);
        if (!known.isOver(chat.chatId) || !followers.some(isHere)) continue;
        // An empty log needs no query for its start.
        if (chat.last[log] === 0) known.open(chat.chatId, 0, followers);
        else entered.push([log, chat, followers]);
      }
    }
    if (entered.length === 0) return;
    const starts = await chats.starts([...new Set(entered.map(([, { chatId }]) => chatId))], since);
    for (const [log, { chatId }, followers] of entered) {
      const start = starts.get(chatId)?.[log];
      if (start !== undefined) watermarks[log].open(chatId, start, followers);
    }
  }

  async function findBehind(): Promise<Record<LogName, Behind[]>> {
    const startedAt = Date.now();
    const scope = scopeOf(followed.values(), [...watermarks.conversation.current(), ...unrepaired]);
    arrived.clear();
    const found = await chats.progress(scope);
    await placeNew(found, scope.since);
    const behind: Record<LogName, Behind[]> = { conversation: [], internal: [] };
    for (const { chatId, last } of found) {
      for (const log of logs) {
        const { isOver, deliveredOf } = watermarks[log];
        if (!isOver(chatId) && (deliveredOf(chatId) ?? 0) < last[log]) behind[log].push({ chatId, upTo: last[log] });
      }
    }
    unrepaired = behind.internal.map(({ chatId }) => chatId);
    // Keep chats found by this query: a chat that was just opened isn't in it yet, and would be delivered again.
    const isFound = new Set(found.map(({ chatId }) => chatId));
    watermarks.conversation.forget((chatId, isOver) => isOver && !isFound.has(chatId));
    // The monitors never stop to follow an internal log: a chat that the query doesn't find any more is at rest. Keep chats whose
    // entry arrived during the query: it isn't in the result yet, and would be delivered again.
    watermarks.internal.forget((chatId) => !isFound.has(chatId) && !arrived.has(chatId));
    // The clock may have been set back.
    lastCheckAt = Math.max(lastCheckAt, startedAt);
    return behind;
  }

  /** Delivers an entry that was read, if it is missing here. Answers whether it had a receiver here. */
  function deliver(log: LogName, { chatId, number, entry, followers }: ReadEntry): boolean {
    const mark = { chatId, number, followers };
    let isDelivered = false;
    if (entry && watermarks[log].isMissing(mark)) {
      for (const announcement of announcementsOf(entry, show)) {
        if (!announcement.rooms.some(isHere)) continue;
        deliverHere(announcement);
        onRepaired(announcement.event, entry);
        isDelivered = true;
      }
    }
    watermarks[log].settle(mark);
    return isDelivered;
  }

  /** Flags don't wait for all messages. */
  async function repairAll(behind: Record<LogName, Behind[]>): Promise<void> {
    const results = await Promise.allSettled(logs.map((log) => behind[log].length > 0 && repair[log](behind[log])));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async function repairSkipped(): Promise<void> {
    await wait(patienceMs());
    const behind: Record<LogName, Behind[]> = { conversation: [], internal: [] };
    for (const log of logs) {
      behind[log] = [...skipped[log]].map((chatId) => ({ chatId, upTo: watermarks[log].highestOf(chatId) }));
      skipped[log].clear();
    }
    // The last of them was skipped a moment ago: what it overtook may still be on its way.
    await wait(patienceMs());
    await repairAll(behind);
  }

  return {
    follow(caller) {
      wanted.push(caller);
      // Not with the reading that runs now: it has begun before these rooms were live.
      nextReading ??= read(() => {
        nextReading = null;
        return followWanted();
      });
      return nextReading;
    },
    unfollow: (room) => void followed.delete(room as RoomName),
    receive(log, mark) {
      if (log === "internal") arrived.add(mark.chatId);
      if (watermarks[log].receive(mark)) return;
      if (logs.every((one) => skipped[one].size === 0)) repairSkipped().catch(onFault);
      skipped[log].add(mark.chatId);
    },
    async check({ atOnce = false } = {}) {
      const behind = await read(findBehind);
      if (logs.every((log) => behind[log].length === 0)) return;
      if (!atOnce) await wait(patienceMs());
      await repairAll(behind);
    },
  };
}

/** In ms: ids begin with the time at which they were made. */
const openedAt = ({ chatId }: Progress) => Number.parseInt(chatId.slice(0, 12), 16);
