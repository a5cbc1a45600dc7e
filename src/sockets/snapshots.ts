import type { Socket } from "socket.io";
import type { Caller, ChatStore, People, StaffCaller, UserRef, VisitorCaller } from "../chat/ports.ts";
import { activeChats, type OrganisationSnapshot, organisationSnapshots, visitorSnapshots } from "../chat/snapshots.ts";
import type { ShowToVisitor } from "../chat/visitors-view.ts";
import type { ServerPayload } from "../contract/events.ts";
import { gathered } from "../gather.ts";
import { isUnavailable } from "../store/faults.ts";
import { type Packet, packetOf, send } from "./packet.ts";

/** Of so many staff, visitors or organisations the chats are read by one statement at most. */
const PEOPLE_READ = 200;
const ORGANISATIONS_READ = 20;
/** So many large packets go out in one turn of the event loop: to hand one over takes most of a millisecond. */
const SENT_AT_ONCE = 20;

type Parts = {
  chats: ChatStore;
  people: People;
  show: ShowToVisitor;
  /** The users of an organisation who are online. */
  online: (organisationId: string) => Promise<UserRef[]>;
};

/** Reads a connection's snapshot, after it was asked to and not before; answers what sends it. */
export type ReadSnapshot = (caller: Caller) => Promise<(socket: Socket) => void>;

/**
 * Those who wait for a snapshot share the next reading. What is alike for all staff of an organisation is read, and made
 * into a packet, once for all of them: of 2,000 staff that come at once each would otherwise read about all the others.
 */
export function createSnapshots({ chats, people, show, online }: Parts): ReadSnapshot {
  const organisation = gathered(async (ids: string[]) => {
    const wanted = [...new Set(ids)];
    const found = new Map<string, Shared | Failure>();
    for (let start = 0; start < wanted.length; start += ORGANISATIONS_READ) {
      await read(wanted.slice(start, start + ORGANISATIONS_READ), found);
    }
    return ids.map((id) => found.get(id) as Shared | Failure);
  }, Number.POSITIVE_INFINITY);

  async function read(ids: string[], found: Map<string, Shared | Failure>): Promise<void> {
    try {
      const users = await Promise.all(ids.map(online));
      const snapshots = await organisationSnapshots({ chats, people }, ids, users.flat());
      snapshots.forEach((snapshot, index) => {
        found.set(ids[index] as string, share(snapshot));
      });
    } catch (error) {
      // It may be the fault of one of them, and then the others have nothing to do with it.
      if (ids.length > 1 && !isUnavailable(error)) for (const id of ids) await read([id], found);
      else for (const id of ids) found.set(id, { error });
    }
  }

  const active = gathered((staffIds: string[]) => activeChats(chats, staffIds), PEOPLE_READ);
  const ofVisitor = gathered(
    async (callers: VisitorCaller[]) => (await visitorSnapshots(chats, callers)).map(show),
    PEOPLE_READ,
  );
  const turnToSend = gathered(async (all: Packet[]) => all, SENT_AT_ONCE);

  const readStaff = async ({ organisationId, user }: StaffCaller) => {
    const [shared, own] = await Promise.all([organisation(organisationId), active(user.id)]);
    if ("error" in shared) throw shared.error;
    const packet = await turnToSend(shared.with(own));
    return (socket: Socket) => send(socket, packet);
  };
  const readVisitor = async (caller: VisitorCaller) => {
    const snapshot = await ofVisitor(caller);
    return (socket: Socket) => void socket.emit("visitor_init", snapshot);
  };
  return (caller) => (caller.kind === "staff" ? readStaff(caller) : readVisitor(caller));
}

type ActiveChats = ServerPayload<"staff_init">["active_chats"];
type Shared = { with(activeChats: ActiveChats): Packet };
type Failure = { error: unknown };

/** The packets of all staff of an organisation: those who serve no chat, as most of a crowd, get the very same one. */
function share(snapshot: OrganisationSnapshot): Shared {
  const json = JSON.stringify(snapshot).slice(0, -1);
  const make = (active: ActiveChats) => packetOf("staff_init", `${json},"active_chats":${JSON.stringify(active)}}`);
  const withNone = make([]);
  return { with: (active) => (active.length === 0 ? withNone : make(active)) };
}
