import type { FastifyBaseLogger } from "fastify";
import type { Server } from "socket.io";
import type { Announce, Announcement, ChatStore, Emit, RoomName } from "../chat/ports.ts";
import { announcementsOf, type Step } from "../chat/steps.ts";
import type { ShowToVisitor } from "../chat/visitors-view.ts";
import type { People } from "../identity/accounts.ts";
import type { Observe } from "../metrics/cells.ts";
import type { DatabaseClock } from "../metrics/clock.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { outgoing } from "../platform/engine/outgoing.ts";
import type { Bus } from "../platform/redis/bus.ts";
import type { Presence } from "../presence/presence.ts";
import { createFanout } from "./fanout.ts";
import { createGaps, type Gaps, markOf } from "./gaps.ts";
import { createLateness } from "./lateness.ts";
import { OUTBOX } from "./outbox.ts";
import { createRoster, type Roster, type RosterEvent } from "./roster.ts";
import type { StepMark } from "./watermarks.ts";

type Parts = {
  /** None for a single process. */
  bus: Bus | undefined;
  chats: ChatStore;
  people: People;
  presence: Presence;
  show: ShowToVisitor;
  metrics: Metrics;
  clock: Pick<DatabaseClock, "secondsSince">;
  log: FastifyBaseLogger;
  onFault: (error: unknown) => void;
};

export type Delivery = {
  emit: Emit;
  announce: Announce;
  follow: Gaps["follow"];
  online: Roster["online"];
  /** Tells what was missed in chats. */
  checkChats: Gaps["check"];
  /** Tells what was missed of who is online. */
  checkRoster: Roster["check"];
};

/**
 * What goes with events over the bus: which step of a chat they are, and when it was stored (by PostgreSQL's clock, when it
 * is a message), or who came online or went offline.
 */
type Note = { step?: Omit<StepMark, "rooms">; at?: number | undefined; roster?: { event: RosterEvent; id: string } };

/** Brings events to everybody whom they concern: through the bus, and what that loses from where the truth is. */
export function createDelivery(
  io: Server,
  { bus, chats, people, presence, show, metrics, clock, log, onFault }: Parts,
): Delivery {
  const { adapter } = io.of("/");
  const { local, bus: overBus, healed } = metrics.delivered;
  const observe = (way: Observe, storedAt: number | undefined) => {
    const seconds = storedAt === undefined ? null : clock.secondsSince(storedAt);
    if (seconds !== null) way(seconds);
    return seconds;
  };
  const lateness = createLateness();
  const isHere = (room: RoomName) => adapter.rooms.has(room);
  const fanout = createFanout<Note>(io, {
    ...{ bus, onFault },
    onDropped: () => metrics.budgetRefusals.inc({ budget: "bus", of: "process" }),
    isNews: (organisationId, { roster: event }) =>
      !event || roster.heard(event.event, { id: event.id, organisation_id: organisationId }),
    onHeard({ step, at }, rooms) {
      const seconds = observe(overBus, at);
      if (seconds !== null) lateness.note(seconds * 1_000);
      if (step) gaps.heard({ ...step, rooms });
    },
  });
  const tell = fanout.sendHere;
  const onHealed = (what: string) => metrics.healed.inc({ event: what });
  const gaps = createGaps({
    ...{ chats, people, show, isHere, tell, onFault },
    hasRoom: outgoing.hasRoom,
    onSetAside(chat, error, waitMs) {
      metrics.healingFailures.inc();
      log.warn({ event: "set_aside", chat, retryMs: waitMs, err: error }, "a chat can't be healed: it is tried again");
    },
    // Overload shows in what is heard: a process that has stored much may come to telling it late.
    lagMs: () => Math.max(bus?.lagMs() ?? 0, lateness.worstMs()),
    onFound: (count) => metrics.gaps.inc(count),
    onHealed(what, step) {
      onHealed(what);
      observe(healed, storedAt(step));
    },
  });
  const roster = createRoster({ presence, people, isHere, tell, onHealed, onFault });
  adapter.on("delete-room", gaps.unfollow);
  if (bus) metrics.budget("bus", { used: fanout.unanswered, total: OUTBOX.unanswered });

  return {
    emit(organisationId, announcement, by) {
      const event = rosterEventOf(announcement);
      fanout.send(organisationId, [announcement], event ? { roster: event } : {}, by);
    },
    announce(step, by) {
      const announcements = announcementsOf(step, show);
      const mark = markOf(step, announcements);
      gaps.heard(mark);
      const { rooms, ...note } = mark;
      const at = storedAt(step);
      fanout.send(step.chat.organisationId, announcements.all, { step: note, at }, by);
      observe(local, at);
    },
    follow: gaps.follow,
    online: roster.online,
    checkChats: gaps.check,
    checkRoster: roster.check,
  };
}

const storedAt = (step: Step): number | undefined => ("message" in step ? step.message.created_at : undefined);

function rosterEventOf({ event, payload }: Announcement): Note["roster"] {
  if (event === "staff_goes_online" || event === "staff_goes_offline") return { event, id: payload.user.id };
  return undefined;
}
