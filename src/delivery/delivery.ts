import type { FastifyBaseLogger } from "fastify";
import type { Server, Socket } from "socket.io";
import { announcementsOf } from "../chat/announcements.ts";
import type { ChatRoomName } from "../chat/audience.ts";
import type { Entry } from "../chat/entry.ts";
import { logOf } from "../chat/kinds.ts";
import type { Announce, Announcement, ChatStore, LogName, RoomName, Signal } from "../chat/ports.ts";
import type { ShowToVisitor } from "../chat/visitors-view.ts";
import type { Reader } from "../contract/second-form.ts";
import type { People } from "../identity/accounts.ts";
import type { DatabaseClock } from "../metrics/clock.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { outgoing } from "../platform/engine/outgoing.ts";
import { localRooms } from "../platform/engine/rooms.ts";
import type { Bus } from "../platform/redis/bus.ts";
import type { Presence } from "../presence/presence.ts";
import { createFanout } from "./fanout.ts";
import { createGaps, type Gaps, markOf } from "./gaps.ts";
import { createLateness } from "./lateness.ts";
import { OUTBOX } from "./outbox.ts";
import { createRoster, isRosterEvent, type Roster, type RosterEvent } from "./roster.ts";
import type { EntryMark } from "./watermarks.ts";

export type DeliveryParts = {
  /** None for a single process. */
  bus: Bus | undefined;
  chats: ChatStore;
  people: People;
  presence: Presence;
  show: ShowToVisitor;
  /** The reader of the second form behind a connection; null where it gets the first form. */
  readerOf: (socket: Socket) => Reader | null;
  metrics: Metrics;
  clock: Pick<DatabaseClock, "secondsSince">;
  log: FastifyBaseLogger;
  onFault: (error: unknown) => void;
};

export type Delivery = {
  signal: Signal;
  announce: Announce;
  follow: Gaps["follow"];
  online: Roster["online"];
  /** Delivers the entries of chats that are missing here. */
  checkChats: Gaps["check"];
  /** Delivers the online and offline events of staff that are missing here. */
  checkRoster: Roster["check"];
};

/** `next` are the rooms that follow the log after the entry, where they aren't the rooms that receive it. */
type NotedEntry = { chatId: string; number: number; next?: ChatRoomName[] | undefined };
/**
 * The note of events on the bus. It has their entry, by its log, and when PostgreSQL stored it; or the staff member who
 * came online or went offline. `step` is the conversation, because the previous version uses that name.
 */
type Note = {
  step?: NotedEntry;
  internal?: NotedEntry;
  at?: number | undefined;
  roster?: { event: RosterEvent; id: string };
};
const fieldOf = { conversation: "step", internal: "internal" } as const satisfies Record<LogName, keyof Note>;

/** Brings events to their receivers: through the bus, and what the bus loses from the database or presence. */
export function createDelivery(
  io: Server,
  { bus, chats, people, presence, show, readerOf, metrics, clock, log, onFault }: DeliveryParts,
): Delivery {
  const here = localRooms(io);
  const observe = (way: "local" | "bus" | "healed", storedAt: number | undefined) => {
    const seconds = storedAt === undefined ? null : clock.secondsSince(storedAt);
    if (seconds !== null) metrics.delivered.observe({ way }, seconds);
    return seconds;
  };
  const lateness = createLateness();
  const isHere = here.has;
  const receive = (entryLog: LogName, noted: NotedEntry | undefined, rooms: RoomName[]) => {
    if (!noted) return;
    const { chatId, number, next } = noted;
    gaps.receive(entryLog, { chatId, number, followers: next ?? (rooms as ChatRoomName[]) });
  };
  const fanout = createFanout<Note>(io, {
    ...{ bus, readerOf, onFault },
    onDropped: () => metrics.budgetRefusals.inc({ budget: "bus", of: "process" }),
    isNews: (organisationId, { roster: event }) =>
      !event || roster.record(event.event, { id: event.id, organisation_id: organisationId }),
    onReceived({ step, internal, at }, rooms) {
      const seconds = observe("bus", at);
      if (seconds !== null) lateness.note(seconds * 1_000);
      receive("conversation", step, rooms);
      receive("internal", internal, rooms);
    },
  });
  const deliverHere = fanout.sendHere;
  const onRepaired = (what: string) => metrics.healed.inc({ event: what });
  const gaps = createGaps({
    ...{ chats, people, show, isHere, deliverHere, onFault },
    hasRoom: outgoing.hasRoom,
    onSetAside(chat, error, waitMs) {
      metrics.healingFailures.inc();
      log.warn(
        { event: "set_aside", chat, retryMs: waitMs, err: error },
        "a chat can't be repaired: it is tried again",
      );
    },
    // An overloaded process publishes late, which shows in the messages that arrive.
    lagMs: () => Math.max(bus?.lagMs() ?? 0, lateness.worstMs()),
    onFound: () => metrics.gaps.inc(),
    onUnknown: (entryLog) => metrics.unknownEntries.inc({ log: entryLog }),
    onRepaired(what, entry) {
      onRepaired(what);
      observe("healed", storedAt(entry));
    },
  });
  const roster = createRoster({ presence, people, isHere, deliverHere, onRepaired, onFault });
  here.onDeleted(gaps.unfollow);
  if (bus) metrics.budget("bus", { used: fanout.unanswered, total: OUTBOX.unanswered });

  return {
    signal(organisationId, announcement, id) {
      const { event } = announcement;
      const note = id !== undefined && isRosterEvent(event) ? { roster: { event, id } } : {};
      fanout.send(organisationId, [announcement], note, null);
    },
    announce(entry, by) {
      const announcements = announcementsOf(entry, show);
      const mark = markOf(entry);
      const entryLog = logOf(entry.kind);
      gaps.receive(entryLog, mark);
      const at = storedAt(entry);
      const note: Note = { [fieldOf[entryLog]]: noteOf(entry, mark, announcements), at };
      fanout.send(entry.chat.organisationId, announcements, note, by);
      observe("local", at);
    },
    follow: gaps.follow,
    online: roster.online,
    checkChats: gaps.check,
    checkRoster: roster.check,
  };
}

const storedAt = (entry: Entry): number | undefined =>
  entry.kind === "message" ? entry.message.created_at : undefined;

/** Leaves out followers that equal the receiving rooms, which the bus sends anyway. For messages they always do. */
function noteOf({ kind }: Entry, { chatId, number, followers }: EntryMark, announcements: Announcement[]): NotedEntry {
  if (kind === "message") return { chatId, number };
  const rooms = new Set<RoomName>(announcements.flatMap((one) => one.rooms));
  const isSame = rooms.size === followers.length && followers.every((room) => rooms.has(room));
  return isSame ? { chatId, number } : { chatId, number, next: followers };
}
