import type { RoomName, StaffAnnouncement } from "../chat/ports.ts";
import { allStaffRoom } from "../chat/rooms.ts";
import { type StaffSignal, staffSignal } from "../chat/signals.ts";
import type { People } from "../identity/accounts.ts";
import type { UserRef } from "../identity/user-ref.ts";
import { readEach } from "../platform/postgres/each.ts";
import { type Presence, unique } from "../presence/presence.ts";

/** How often what staff were told of each other is compared with presence. */
export const ROSTER_INTERVAL_MS = 2_000;

export type RosterEvent = StaffSignal;
export const isRosterEvent = (event: string): event is RosterEvent =>
  event === "staff_goes_online" || event === "staff_goes_offline";

type Organisation = {
  /** The staff whom the connections here take to be online. */
  told: Set<string>;
  /** Those of whom a snapshot said otherwise than what the connections before were told. */
  disputed: Set<string>;
  /** What the last comparison found to be otherwise: an event may still be under way. */
  doubted: Set<string>;
  /** The visitors who were online when that was last known for sure. */
  visitors: UserRef[];
};
/** A look at presence that is under way, and what was heard since it began, by the ids of the staff. */
type Look = { organisationId: string; heard: Map<string, RosterEvent> };

type Parts = {
  presence: Pick<Presence, "online">;
  people: Pick<People, "staff">;
  /** Whether a room has somebody on this process. */
  isHere: (room: RoomName) => boolean;
  /** Sends an event to this process's own connections. */
  tell: (announcement: StaffAnnouncement) => void;
  /** Called for each event that had to be told from presence. */
  onHealed: (event: RosterEvent) => void;
  /** Called for an organisation, or a staff, that can't be read: nobody else waits for them. */
  onFault: (error: unknown) => void;
};

export type Roster = {
  /** Who is online, for a snapshot; while presence isn't sure, those who were before as well. */
  online(organisationId: string): Promise<UserRef[]>;
  /**
   * Such an event has come in, or is sent.
   * @returns false when it is no news to anybody here. A failover of Redis can forget that somebody's leave was told: it is told again
   */
  heard(event: RosterEvent, staff: { id: string; organisation_id: string }): boolean;
  /** Tells the connections here who came online or went offline without their having heard of it. */
  check(): Promise<void>;
};

/** Keeps true what the staff of this process were told of who is online, whatever the bus loses. */
export function createRoster({ presence, people, isHere, tell, onHealed, onFault }: Parts): Roster {
  const organisations = new Map<string, Organisation>();
  const looks = new Set<Look>();

  /** Reads presence. What is heard meanwhile is newer than what is read, and goes into it. */
  async function look(organisationId: string): Promise<{ users: UserRef[]; isSure: boolean }> {
    const own: Look = { organisationId, heard: new Map() };
    looks.add(own);
    try {
      const { users, isSure } = await presence.online(organisationId);
      return { users: [...own.heard].reduce(after(organisationId), users), isSure };
    } finally {
      looks.delete(own);
    }
  }

  async function compare(organisationId: string, organisation: Organisation): Promise<void> {
    const { users, isSure } = await look(organisationId);
    const online = new Set(staffOf(users));
    const different = online.symmetricDifference(organisation.told).union(organisation.disputed);
    // While presence isn't sure, a snapshot may have lacked many who are there, and nobody is known to be gone.
    const certain = isSure ? [...different.intersection(organisation.doubted)] : [...different.intersection(online)];
    if (isSure) {
      organisation.visitors = visitorsOf(users);
      organisation.doubted = different;
    }
    if (certain.length === 0) return;
    const { found, unreadable } = await readEach(people.staff, certain);
    for (const error of unreadable.values()) onFault(error);
    for (const staff of found) {
      // Heard of meanwhile: what was read before says nothing any more.
      if (isSure && !organisation.doubted.has(staff.id)) continue;
      const event = online.has(staff.id) ? "staff_goes_online" : "staff_goes_offline";
      tell(staffSignal(event, staff));
      heard(event, staff);
      onHealed(event);
    }
  }

  function heard(event: RosterEvent, { id, organisation_id }: { id: string; organisation_id: string }): boolean {
    for (const one of looks) if (one.organisationId === organisation_id) one.heard.set(id, event);
    const organisation = organisations.get(organisation_id);
    if (!organisation) return true;
    const isOnline = event === "staff_goes_online";
    const isNews = isOnline !== organisation.told.has(id) || organisation.disputed.has(id);
    organisation.doubted.delete(id);
    organisation.disputed.delete(id);
    if (isOnline) organisation.told.add(id);
    else organisation.told.delete(id);
    return isNews;
  }

  return {
    heard,
    async online(organisationId) {
      const { users: read, isSure } = await look(organisationId);
      const before = organisations.get(organisationId);
      const users = isSure || !before ? read : unique([...read, ...lastKnown(organisationId, before)]);
      const shown = new Set(staffOf(users));
      if (before) for (const id of shown.symmetricDifference(before.told)) before.disputed.add(id);
      else {
        const visitors = visitorsOf(users);
        organisations.set(organisationId, { told: shown, disputed: new Set(), doubted: new Set(), visitors });
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

/** Who is online after an event. */
const after =
  (organisationId: string) =>
  (users: UserRef[], [id, event]: [id: string, RosterEvent]): UserRef[] => {
    const others = users.filter((user) => user.kind !== "staff" || user.id !== id);
    return event === "staff_goes_online" ? [...others, staffRef(organisationId, id)] : others;
  };

/** Who is to be shown while presence isn't sure, besides those whom it has. */
const lastKnown = (organisationId: string, { told, visitors }: Organisation): UserRef[] => [
  ...[...told].map((id) => staffRef(organisationId, id)),
  ...visitors,
];

const staffRef = (organisationId: string, id: string): UserRef => ({ kind: "staff", id, organisationId });

const staffOf = (users: UserRef[]): string[] => users.filter(({ kind }) => kind === "staff").map(({ id }) => id);
const visitorsOf = (users: UserRef[]): UserRef[] => users.filter(({ kind }) => kind === "visitor");
