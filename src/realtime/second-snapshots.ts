import type { StaffCaller } from "../chat/ports.ts";
import { isMonitor } from "../chat/rooms.ts";
import {
  type ClaimedChats,
  claimedChats,
  monitoredBy,
  ownChats,
  ownPart,
  type SecondOrganisation,
  secondOrganisations,
} from "../chat/second-snapshots.ts";
import { type Packet, packetWith, sharedFields } from "../platform/engine/packet.ts";
import { byId, ORGANISATIONS_READ, PEOPLE_READ, shared } from "./shared-reads.ts";
import type { SnapshotParts } from "./snapshots.ts";

type Shared = SecondOrganisation & { buffer: Buffer };

/**
 * Makes the packet of a `staff_init` of protocol 2. All staff of an organisation share the bytes of the common part. The
 * monitors who serve no chat share the bytes of the claimed chats as well.
 */
export function createSecondStaffInit(parts: SnapshotParts): (caller: StaffCaller) => Promise<Packet> {
  const organisation = shared(byId(ORGANISATIONS_READ), async (ids) =>
    (await secondOrganisations(parts, ids)).map((one): Shared => ({ ...one, buffer: sharedFields(one.fields) })),
  );
  const claimed = shared(byId(ORGANISATIONS_READ), (ids) => claimedChats(parts, ids));
  const own = shared(byId(PEOPLE_READ), (ids) => ownChats(parts, ids));

  /** The last bytes made of an organisation's claimed chats, and the common part in them. */
  const joined = new WeakMap<ClaimedChats, { with: Shared; buffer: Buffer }>();
  function bufferForMonitors(chats: ClaimedChats, ofAll: Shared): Buffer {
    const known = joined.get(chats);
    if (known?.with === ofAll) return known.buffer;
    const buffer = sharedFields({ ...ofAll.fields, ...monitoredBy("nobody", chats, ofAll) });
    joined.set(chats, { with: ofAll, buffer });
    return buffer;
  }

  return async ({ organisationId, user }) => {
    const [ofAll, ownList, chats] = await Promise.all([
      organisation(organisationId),
      own(user.id),
      isMonitor(user) ? claimed(organisationId) : null,
    ]);
    const head = { protocol: 2, server_time: parts.now(), user, settings: {}, ...ownPart(ownList, ofAll) };
    if (!chats) return packetWith("staff_init", JSON.stringify(head), ofAll.buffer);
    if (chats.servedBy(user.id) === 0)
      return packetWith("staff_init", JSON.stringify(head), bufferForMonitors(chats, ofAll));
    return packetWith("staff_init", JSON.stringify({ ...head, ...monitoredBy(user.id, chats, ofAll) }), ofAll.buffer);
  };
}
