import type { RoomName, StaffAnnouncement } from "../chat/ports.ts";
import { allStaffRoom } from "../chat/rooms.ts";
import { type StaffSignal, staffSignal } from "../chat/signals.ts";
import type { People } from "../identity/accounts.ts";
import type { UserRef } from "../identity/user-ref.ts";
import { readEach } from "../platform/postgres/each.ts";
import { type Presence, unique } from "../presence/presence.ts";

/** How often the staff shown as online are compared with presence. */
export const ROSTER_INTERVAL_MS = 2_000;

export type RosterEvent = StaffSignal;
export const isRosterEvent = (event: string): event is RosterEvent =>
  event === "staff_goes_online" || event === "staff_goes_offline";

type Organisation = {
  /** The staff that the connections here show as online. */
  shownOnline: Set<string>;
  /** Staff for which a snapshot differed from what earlier connections show. */
  disputed: Set<string>;
  /** Staff for which the last comparison found a difference. An event may still be on its way. */
  doubted: Set<string>;
  /** The online visitors of the last time that presence was sure. */
  visitors: UserRef[];
};
/** A running read of presence, with the events received since it began, by staff id. */
type Look = { organisationId: string; received: Map<string, RosterEvent> };

type Parts = {
  presence: Pick<Presence, "online">;
  people: Pick<People, "staff">;
  /** Whether a room has a connection on this process. */
  isHere: (room: RoomName) => boolean;
  /** Sends an event to this process's own connections. */
  deliverHere: (announcement: StaffAnnouncement) => void;
  /** Called for each event that was delivered from presence. */
  onRepaired: (event: RosterEvent) => void;
  /** Called for an organisation or staff member that can't be read. Others don't wait for them. */
  onFault: (error: unknown) => void;
};

export type Roster = {
  /** The online users for a snapshot. While presence isn't sure, users who were online before are included. */
  online(organisationId: string): Promise<UserRef[]>;
  /**
   * Records an event that was received or is being sent.
   * @returns false when it changes nothing here. Redis can lose an eviction in a fail-over, and it is then published again
   */
  record(event: RosterEvent, staff: { id: string; organisation_id: string }): boolean;
  /** Delivers to the connections here the online and offline events that they missed. */
  check(): Promise<void>;
};

/** Keeps the online staff that connections of this process show correct, even when the bus loses events. */
export function createRoster({ presence, people, isHere, deliverHere, onRepaired, onFault }: Parts): Roster {
  const organisations = new Map<string, Organisation>();
  const looks = new Set<Look>();

  /** Reads presence, and adds the events received meanwhile, because they are newer. */
  async function look(organisationId: string): Promise<{ users: UserRef[]; isSure: boolean }> {
    const own: Look = { organisationId, received: new Map() };
    looks.add(own);
    try {
      const { users, isSure } = await presence.online(organisationId);
      return { users: [...own.received].reduce(after(organisationId), users), isSure };
    } finally {
      looks.delete(own);
    }
  }

  async function compare(organisationId: string, organisation: Organisation): Promise<void> {
    const { users, isSure } = await look(organisationId);
    const online = new Set(staffOf(users));
    const different = online.symmetricDifference(organisation.shownOnline).union(organisation.disputed);
    // While presence isn't sure, it may lack online users, so it shows nobody as offline.
    const certain = isSure ? [...different.intersection(organisation.doubted)] : [...different.intersection(online)];
    if (isSure) {
      organisation.visitors = visitorsOf(users);
      organisation.doubted = different;
    }
    if (certain.length === 0) return;
    const { found, unreadable } = await readEach(people.staff, certain);
    for (const error of unreadable.values()) onFault(error);
    for (const staff of found) {
      // An event that arrived meanwhile is newer than the read.
      if (isSure && !organisation.doubted.has(staff.id)) continue;
      const event = online.has(staff.id) ? "staff_goes_online" : "staff_goes_offline";
      deliverHere(staffSignal(event, staff));
      record(event, staff);
      onRepaired(event);
    }
  }

  function record(event: RosterEvent, { id, organisation_id }: { id: string; organisation_id: string }): boolean {
    for (const one of looks) if (one.organisationId === organisation_id) one.received.set(id, event);
    const organisation = organisations.get(organisation_id);
    if (!organisation) return true;
    const isOnline = event === "staff_goes_online";
    const isNews = isOnline !== organisation.shownOnline.has(id) || organisation.disputed.has(id);
    organisation.doubted.delete(id);
    organisation.disputed.delete(id);
    if (isOnline) organisation.shownOnline.add(id);
    else organisation.shownOnline.delete(id);
    return isNews;
  }

  return {
    record,
    async online(organisationId) {
      const { users: read, isSure } = await look(organisationId);
      const before = organisations.get(organisationId);
      const users = isSure || !before ? read : unique([...read, ...lastKnown(organisationId, before)]);
      const shown = new Set(staffOf(users));
      if (before) for (const id of shown.symmetricDifference(before.shownOnline)) before.disputed.add(id);
      else {
        const visitors = visitorsOf(users);
        organisations.set(organisationId, { shownOnline: shown, disputed: new Set(), doubted: new Set(), visitors });
      }
      return users;
    },
    async check() {
      for (const [id, organisation] of organisations) {
        if (isHere(allStaffRoom(id))) await compare(id, organisation).catch(onFault);
        else organisations.delete(id);
      }
    },
  };
}

/** The online users after an event. */
const after =
  (organisationId: string) =>
  (users: UserRef[], [id, event]: [id: string, RosterEvent]): UserRef[] => {
    const others = users.filter((user) => user.kind !== "staff" || user.id !== id);
    return event === "staff_goes_online" ? [...others, staffRef(organisationId, id)] : others;
  };

/** The users to show in addition to presence's while presence isn't sure. */
const lastKnown = (organisationId: string, { shownOnline, visitors }: Organisation): UserRef[] => [
  ...[...shownOnline].map((id) => staffRef(organisationId, id)),
  ...visitors,
];

const staffRef = (organisationId: string, id: string): UserRef => ({ kind: "staff", id, organisationId });

const staffOf = (users: UserRef[]): string[] => users.filter(({ kind }) => kind === "staff").map(({ id }) => id);
const visitorsOf = (users: UserRef[]): UserRef[] => users.filter(({ kind }) => kind === "visitor");
