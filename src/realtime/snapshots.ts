import type { Socket } from "socket.io";
import type { Caller, ChatStore, StaffCaller, VisitorCaller } from "../chat/ports.ts";
import { activeChats, organisationSnapshots, visitorSnapshots } from "../chat/snapshots.ts";
import type { ShowToVisitor } from "../chat/visitors-view.ts";
import { Refusal } from "../contract/errors.ts";
import type { People } from "../identity/accounts.ts";
import type { UserRef } from "../identity/user-ref.ts";
import { batched, later } from "../platform/batches/batch.ts";
import { untilRoom } from "../platform/engine/outgoing.ts";
import { type Packet, packetOf, packetWith, send, sharedFields } from "../platform/engine/packet.ts";
import { type Answer, readApart } from "../platform/postgres/each.ts";

/** One statement reads the chats of at most this many staff, visitors or organisations. The store may read fewer. */
const PEOPLE_READ = 200;
const ORGANISATIONS_READ = 20;
/** The most large packets that are sent in one turn of the event loop. Each takes most of a millisecond. */
const SENT_AT_ONCE = 20;

type Parts = {
  chats: ChatStore;
  people: People;
  show: ShowToVisitor;
  /** The online users of an organisation. */
  online: (organisationId: string) => Promise<UserRef[]>;
  /** Called with the reason when an unreadable chat or user is left out. */
  onFault: (error: unknown) => void;
};

/** Reads a connection's snapshot, never before the call. Answers a function that sends it. */
export type ReadSnapshot = (caller: Caller) => Promise<(socket: Socket) => void>;

/**
 * Connections that wait for a snapshot share the next read. Each snapshot becomes a packet once. All connections of a
 * visitor share it; all staff of an organisation share the common part. All get the same bytes, so that slow readers
 * keep them in memory only once.
 */
export function createSnapshots({ chats, people, show, online, onFault }: Parts): ReadSnapshot {
  /**
   * Shares one read among all waiting callers. The next read includes the callers that this one leaves out. An
   * unreadable item doesn't affect the others.
   */
  function shared<I, O>(
    { keyOf, atOnce }: { keyOf: (item: I) => string; atOnce: number },
    read: (items: I[]) => Promise<O[]>,
  ): (item: I) => Promise<O> {
    const one = batched<I, Answer<O>>(
      async (items) => {
        const wanted = [...new Map(items.map((item) => [keyOf(item), item]))].slice(0, atOnce);
        // The place is taken until the data is sent: some MB at most.
        if (!(await untilRoom())) throw new Refusal("busy");
        const results = await readApart(
          read,
          wanted.map(([, item]) => item),
        );
        const found = new Map(results.map((result, index) => [wanted[index]?.[0], result]));
        return items.map((item) => found.get(keyOf(item)) ?? later);
      },
      { maxSize: Number.POSITIVE_INFINITY },
    );
    return async (item) => {
      const answer = await one(item);
      if ("error" in answer) throw answer.error;
      return answer.found;
    };
  }

  const organisation = shared({ keyOf: (id: string) => id, atOnce: ORGANISATIONS_READ }, async (ids) =>
    (await organisationSnapshots({ chats, people, online, onFault }, ids)).map(sharedFields),
  );
  const active = shared({ keyOf: (id: string) => id, atOnce: PEOPLE_READ }, (ids) =>
    activeChats({ chats, onFault }, ids),
  );
  const ofVisitor = shared({ keyOf: ({ user }: VisitorCaller) => user.id, atOnce: PEOPLE_READ }, async (callers) =>
    (await visitorSnapshots(chats, callers)).map((one) => packetOf("visitor_init", JSON.stringify(show(one)))),
  );
  const turnToSend = batched(async (all: Packet[]) => all, { maxSize: SENT_AT_ONCE });

  const packetFor = async (caller: Caller): Promise<Packet> => {
    if (caller.kind === "visitor") return ofVisitor(caller);
    const { organisationId, user }: StaffCaller = caller;
    const [ofAll, own] = await Promise.all([organisation(organisationId), active(user.id)]);
    return packetWith("staff_init", JSON.stringify(own), ofAll);
  };
  return async (caller) => {
    const packet = await turnToSend(await packetFor(caller));
    return (socket) => send(socket, packet);
  };
}
