import type { Socket } from "socket.io";
import type { Caller, ChatStore, People, StaffCaller, UserRef, VisitorCaller } from "../chat/ports.ts";
import { activeChats, organisationSnapshots, visitorSnapshots } from "../chat/snapshots.ts";
import type { ShowToVisitor } from "../chat/visitors-view.ts";
import { gathered, later } from "../gather.ts";
import { isUnavailable } from "../store/faults.ts";
import { untilRoom } from "./outgoing.ts";
import { type Packet, packetOf, packetWith, send, sharedFields } from "./packet.ts";

/** Of so many staff, visitors or organisations the chats are read by one statement at most; the store may read fewer. */
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
 * Those who wait for a snapshot share the next reading. A snapshot is made into a packet once: for all connections of a
 * visitor, and what is alike for all staff of an organisation for all of them. Each connection is sent the very same bytes,
 * so that what waits for those that don't read is in memory once.
 */
export function createSnapshots({ chats, people, show, online }: Parts): ReadSnapshot {
  /** One reading for all who ask for the same; those whom it leaves out are read by the next. */
  function shared<I, O>(
    { keyOf, atOnce }: { keyOf: (item: I) => string; atOnce: number },
    read: (items: I[]) => Promise<O[]>,
  ): (item: I) => Promise<O> {
    return gathered(async (items: I[]) => {
      const wanted = [...new Map(items.map((item) => [keyOf(item), item]))].slice(0, atOnce);
      // What is read has a place here until it is sent: some MB at most.
      await untilRoom();
      const results = await read(wanted.map(([, item]) => item));
      const found = new Map(results.map((result, index) => [wanted[index]?.[0], result]));
      return items.map((item) => found.get(keyOf(item)) ?? later);
    }, Number.POSITIVE_INFINITY);
  }

  async function readOrganisations(ids: string[]): Promise<(Buffer | Failure)[]> {
    try {
      return (await organisationSnapshots({ chats, people, online }, ids)).map(sharedFields);
    } catch (error) {
      // It may be the fault of one of them, and then the others have nothing to do with it.
      if (ids.length === 1 || isUnavailable(error)) return ids.map(() => ({ error }));
      const found: (Buffer | Failure)[] = [];
      for (const id of ids) found.push(...(await readOrganisations([id])));
      return found;
    }
  }

  const organisation = shared({ keyOf: (id: string) => id, atOnce: ORGANISATIONS_READ }, readOrganisations);
  const active = shared({ keyOf: (id: string) => id, atOnce: PEOPLE_READ }, (ids) => activeChats(chats, ids));
  const ofVisitor = shared({ keyOf: ({ user }: VisitorCaller) => user.id, atOnce: PEOPLE_READ }, async (callers) =>
    (await visitorSnapshots(chats, callers)).map((one) => packetOf("visitor_init", JSON.stringify(show(one)))),
  );
  const turnToSend = gathered(async (all: Packet[]) => all, SENT_AT_ONCE);

  const packetFor = async (caller: Caller): Promise<Packet> => {
    if (caller.kind === "visitor") return ofVisitor(caller);
    const { organisationId, user }: StaffCaller = caller;
    const [ofAll, own] = await Promise.all([organisation(organisationId), active(user.id)]);
    if ("error" in ofAll) throw ofAll.error;
    return packetWith("staff_init", JSON.stringify(own), ofAll);
  };
  return async (caller) => {
    const packet = await turnToSend(await packetFor(caller));
    return (socket) => send(socket, packet);
  };
}

type Failure = { error: unknown };
