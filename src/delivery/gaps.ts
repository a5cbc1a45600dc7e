import { setTimeout as delay } from "node:timers/promises";
import type { Announcement, Caller, ChatStore, Progress, RoomName, Scope } from "../chat/ports.ts";
import { allStaffRoom, isMonitor, monitorsRoom, staffRoom, visitorRoom } from "../chat/rooms.ts";
import { type Announcements, announcementsOf, numberOf, type Step } from "../chat/steps.ts";
import type { ShowToVisitor } from "../chat/visitors-view.ts";
import { type Behind, createHealing, type HealingParts } from "./healing.ts";
import { createWatermarks, type StepMark } from "./watermarks.ts";

/** How often every chat is compared with the database. */
export const CHECK_INTERVAL_MS = 2_000;
/** How long what is committed, or overtaken, may still be under way through the bus; longer when it lately took longer. */
const PATIENCE_MS = 500;
const MAX_PATIENCE_MS = 2_000;
/** A statement may take 15 s, and the processes' clocks may differ by some more. */
const RECENT_MS = 30_000;

type Parts = Omit<HealingParts, "toldOf" | "retell"> & {
  chats: Pick<ChatStore, "progress">;
  show: ShowToVisitor;
  /** Whether a room has somebody on this process. */
  isHere: (room: RoomName) => boolean;
  /** Sends an event to this process's own connections. */
  tell: (announcement: Announcement) => void;
  /** How long what others have stored takes to come in at the moment. */
  lagMs: () => number;
  /** Called with each event that had to be told from the database. */
  onHealed: (event: string, step: Step) => void;
  onFault: (error: unknown) => void;
};

export type Gaps = {
  /** Call it before reading a connection's snapshot, in its rooms: from here on it misses nothing. */
  follow(caller: Caller): Promise<void>;
  /** A room has nobody here any more. */
  unfollow(room: string): void;
  /** A step has come in: something may be missing before it. */
  heard(mark: StepMark): void;
  /** Compares every chat with the database, and tells what wasn't told here. */
  check(options?: { atOnce?: boolean }): Promise<void>;
};

export function markOf(step: Step, { all, next }: Announcements): StepMark {
  return { chatId: step.chat.room.id, number: numberOf(step), rooms: all.flatMap(({ rooms }) => rooms), next };
}

/**
 * Closes the gaps that the bus leaves: what it loses, or what a process that died no longer published, is told from the
 * database, as the very same events, in order, at the latest some 3 s later, 4 where all is slow.
 */
export function createGaps(parts: Parts): Gaps {
  const { chats, show, isHere, tell, lagMs, onHealed, onFault } = parts;
  const watermarks = createWatermarks(isHere);
  const heal = createHealing({ ...parts, toldOf: watermarks.toldOf, retell });
  const followed = new Map<string, Follow>();
  const wanted: Caller[] = [];
  let inTurn: Promise<unknown> = Promise.resolve();
  let nextReading: Promise<void> | null = null;
  const skipped = new Set<string>();
  let lastCheckAt = Date.now();

  // Where all is late, what is told from the database would only be told twice, and make it later.
  const patienceMs = () => Math.min(PATIENCE_MS + 2 * lagMs(), MAX_PATIENCE_MS);

  /** One reading at a time: what one finds is what the next one starts from. */
  function read<T>(work: () => Promise<T>): Promise<T> {
    const result = inTurn.then(work);
    inTurn = result.catch(() => {});
    return result;
  }

  function scopeOf(rooms: Map<string, Follow>, chatIds: string[]): Scope {
    const idsOf = (part: string) => [...rooms.values()].filter((one) => one.part === part).map(({ id }) => id);
    return {
      ...{
        monitored: idsOf("monitored"),
        staffed: idsOf("staffed"),
        staff: idsOf("staff"),
        visitors: idsOf("visitors"),
      },
      chatIds,
      openedSince: lastCheckAt - RECENT_MS,
    };
  }

  /** Reads how far the chats of rooms have come that are new here; those that wait meanwhile share the next reading. */
  async function followWanted(): Promise<void> {
    const rooms = new Map<RoomName, Follow>();
    for (const caller of wanted.splice(0)) {
      for (const [room, follow] of followsOf(caller)) if (!followed.has(room)) rooms.set(room, follow);
    }
    if (rooms.size === 0) return;
    const unfollowed = watermarks.startReading((room) => followed.has(room));
    const scope = scopeOf(rooms, []);
    let found: Progress[] = [];
    try {
      found = await chats.progress(scope);
    } finally {
      // A new chat of which those who are here already should have heard is left for the next check to find.
      const isMissed = (chat: Progress) =>
        !unfollowed.has(chat.chatId) &&
        openedAt(chat) >= scope.openedSince &&
        openingFollowersOf(chat).some((room) => followed.has(room));
      const seen = found.filter((chat) => !isMissed(chat));
      watermarks.begin(seen.map((chat) => ({ ...chat, followers: followersOf(chat) })));
    }
    for (const [room, follow] of rooms) if (isHere(room)) followed.set(room, follow);
  }

  async function findBehind(): Promise<Behind[]> {
    const startedAt = Date.now();
    const found = await chats.progress(scopeOf(followed, watermarks.current()));
    const behind: Behind[] = [];
    for (const chat of found) {
      const { chatId, lastNumber } = chat;
      // Opened since its rooms are followed, and nothing has come in of it.
      if (watermarks.toldOf(chatId) === undefined) watermarks.open(chatId, openingFollowersOf(chat));
      if (!watermarks.isOver(chatId) && (watermarks.toldOf(chatId) ?? 0) < lastNumber) {
        behind.push({ chatId, upTo: lastNumber });
      }
    }
    // One that was opened a moment ago would be taken for one that nobody was told of.
    watermarks.forgetOver(new Set(found.map(({ chatId }) => chatId)));
    // The clock may have been set back.
    lastCheckAt = Math.max(lastCheckAt, startedAt);
    return behind;
  }

  function retell(step: Step): void {
    const announcements = announcementsOf(step, show);
    const mark = markOf(step, announcements);
    if (watermarks.isMissing(mark)) {
      for (const announcement of announcements.all.filter(({ rooms }) => rooms.some(isHere))) {
        tell(announcement);
        onHealed(announcement.event, step);
      }
    }
    watermarks.settle(mark);
  }

  async function healSkipped(): Promise<void> {
    await delay(patienceMs());
    const behind = [...skipped].map((chatId) => ({ chatId, upTo: watermarks.highestOf(chatId) }));
    skipped.clear();
    // The last of them was skipped a moment ago: what it overtook may still be under way.
    await delay(patienceMs());
    await heal(behind);
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
    unfollow: (room) => void followed.delete(room),
    heard(mark) {
      if (watermarks.heard(mark)) return;
      if (skipped.size === 0) healSkipped().catch(onFault);
      skipped.add(mark.chatId);
    },
    async check({ atOnce = false } = {}) {
      const behind = await read(findBehind);
      if (behind.length === 0) return;
      if (!atOnce) await delay(patienceMs());
      await heal(behind);
    },
  };
}

type Follow = { part: keyof Omit<Scope, "chatIds" | "openedSince">; id: string };

function followsOf({ kind, user, organisationId }: Caller): [RoomName, Follow][] {
  if (kind === "visitor") return [[visitorRoom(user.id), { part: "visitors", id: user.id }]];
  return [
    [staffRoom(user.id), { part: "staff", id: user.id }],
    [allStaffRoom(organisationId), { part: "staffed", id: organisationId }],
    ...(isMonitor(user)
      ? [[monitorsRoom(organisationId), { part: "monitored", id: organisationId }] as [RoomName, Follow]]
      : []),
  ];
}

/** In ms: ids begin with the time at which they were made. */
const openedAt = ({ chatId }: Progress) => Number.parseInt(chatId.slice(0, 12), 16);

/** Who hears of a chat's opening. */
const openingFollowersOf = ({ organisationId, visitorId }: Progress): RoomName[] => [
  allStaffRoom(organisationId),
  visitorRoom(visitorId),
];

/** Who hears of a chat's next step. */
function followersOf(chat: Progress): RoomName[] {
  if (chat.status === "closed") return [];
  if (chat.staffId === null) return openingFollowersOf(chat);
  return [staffRoom(chat.staffId), visitorRoom(chat.visitorId), monitorsRoom(chat.organisationId)];
}
