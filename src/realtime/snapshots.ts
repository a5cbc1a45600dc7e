import type { Socket } from "socket.io";
import type { Caller, ChatStore, StaffCaller, VisitorCaller } from "../chat/ports.ts";
import { secondVisitorInit } from "../chat/second-snapshots.ts";
import { activeChats, organisationSnapshots, visitorSnapshots } from "../chat/snapshots.ts";
import type { ShowToVisitor } from "../chat/visitors-view.ts";
import type { People } from "../identity/accounts.ts";
import type { UserRef } from "../identity/user-ref.ts";
import { batched } from "../platform/batches/batch.ts";
import { type Packet, packetOf, packetWith, send, sharedFields } from "../platform/engine/packet.ts";
import type { Protocol } from "./protocol.ts";
import { createSecondStaffInit } from "./second-snapshots.ts";
import { byId, ORGANISATIONS_READ, PEOPLE_READ, shared } from "./shared-reads.ts";

/** The most large packets that are sent in one turn of the event loop. Each takes most of a millisecond. */
const SENT_AT_ONCE = 20;

export type SnapshotParts = {
  chats: ChatStore;
  people: People;
  show: ShowToVisitor;
  /** The online users of an organisation. */
  online: (organisationId: string) => Promise<UserRef[]>;
  /** The database's time, in ms. */
  now: () => number;
  /** Called with the reason when an unreadable chat or user is left out. */
  onFault: (error: unknown) => void;
};

/** Reads a connection's snapshot, never before the call. Answers a function that sends it. */
export type ReadSnapshot = (caller: Caller, protocol: Protocol) => Promise<(socket: Socket) => void>;

/**
 * Connections that wait for a snapshot share the next read. Each snapshot becomes a packet once. All connections of a
 * visitor share it; all staff of an organisation share the common part. All get the same bytes, so that slow readers
 * keep them in memory only once. Connections of both protocols share the read of a visitor's chat.
 */
export function createSnapshots(parts: SnapshotParts): ReadSnapshot {
  const { chats, people, show, online, now, onFault } = parts;
  const organisation = shared(byId(ORGANISATIONS_READ), async (ids) =>
    (await organisationSnapshots({ chats, people, online, onFault }, ids)).map(sharedFields),
  );
  const active = shared(byId(PEOPLE_READ), (ids) => activeChats({ chats, onFault }, ids));
  const ofVisitor = shared({ keyOf: ({ user }: VisitorCaller) => user.id, atOnce: PEOPLE_READ }, async (callers) =>
    (await visitorSnapshots(chats, callers)).map((one) => ({
      1: once(() => packetOf("visitor_init", JSON.stringify(show(one)))),
      2: once(() => packetOf("visitor_init", JSON.stringify(secondVisitorInit(one, now())))),
    })),
  );
  const secondStaffInit = createSecondStaffInit(parts);
  const turnToSend = batched(async (all: Packet[]) => all, { maxSize: SENT_AT_ONCE });

  async function staffInit({ organisationId, user }: StaffCaller): Promise<Packet> {
    const [ofAll, own] = await Promise.all([organisation(organisationId), active(user.id)]);
    return packetWith("staff_init", JSON.stringify(own), ofAll);
  }
  async function packetFor(caller: Caller, protocol: Protocol): Promise<Packet> {
    if (caller.kind === "visitor") return (await ofVisitor(caller))[protocol]();
    return protocol === 2 ? secondStaffInit(caller) : staffInit(caller);
  }
  return async (caller, protocol) => {
    const packet = await turnToSend(await packetFor(caller, protocol));
    return (socket) => send(socket, packet);
  };
}

/** The same result for each call; made by the first one. */
function once<T>(make: () => T): () => T {
  let made: { result: T } | undefined;
  return () => {
    made ??= { result: make() };
    return made.result;
  };
}
