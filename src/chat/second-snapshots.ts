import { type SecondPayload, toSecondForm } from "../contract/second-form.ts";
import type { ChatList, ChatWithMessages } from "./ports.ts";
import {
  fitting,
  type OrganisationParts,
  readPeople,
  totalOf,
  type VisitorInit,
  withMessages,
  withUser,
} from "./snapshots.ts";

type StaffInit = SecondPayload<"staff_init", "staff">;
type Head = Pick<StaffInit, "protocol" | "server_time">;
export type OwnChats = Pick<StaffInit, "active_chats" | "active_total">;
export type OwnList = Pick<ChatList, "chats" | "total">;
type Monitored = Required<Pick<StaffInit, "monitored_chats" | "monitored_total">>;

/** The part of a second `staff_init` that is the same for all staff of an organisation. */
export type SecondOrganisation = {
  fields: Omit<StaffInit, keyof (Head & OwnChats & Monitored) | "user" | "settings">;
  isOnline: (visitorId: string) => boolean;
};
/** The claimed chats of an organisation, for its monitors. */
export type ClaimedChats = {
  chats: ChatWithMessages[];
  /** The number of claimed chats, and of the ones that a staff member serves. */
  total: number;
  servedBy: (staffId: string) => number;
};

/** `staff_init` has at most 1 MB: the queue and the claimed chats 240 KB each, own chats 300 KB, and people the rest. */
const PEOPLE_BYTES = 180_000;

/** Reads it for all of these organisations. */
export async function secondOrganisations(
  { chats, people, online, onFault }: OrganisationParts,
  organisationIds: string[],
): Promise<SecondOrganisation[]> {
  const [queues, flagged, users] = await Promise.all([
    chats.queuesForStaff(organisationIds),
    chats.flagged(organisationIds),
    Promise.all(organisationIds.map(online)),
  ]);
  for (const error of [...queues, flagged].flatMap(({ unreadable }) => unreadable)) onFault(error);
  const idsOf = (kind: "staff" | "visitor") =>
    users.map((all) => all.filter((user) => user.kind === kind).map(({ id }) => id));
  const [staffIds, visitorIds] = [idsOf("staff"), idsOf("visitor")];
  const staff = await readPeople(people.staff, staffIds, onFault);
  return organisationIds.map((id, index) => {
    const onlineIds = new Set(visitorIds[index]);
    const isOnline = (visitorId: string) => onlineIds.has(visitorId);
    const allStaff = staff[index] ?? [];
    return {
      isOnline,
      fields: {
        online_users: fitting(allStaff, PEOPLE_BYTES),
        online_users_total: totalOf(allStaff, staffIds[index]),
        online_visitors_total: onlineIds.size,
        unclaimed_chats: (queues[index]?.chats ?? []).map((chat) => withPresence(withMessages(chat), isOnline)),
        unclaimed_total: queues[index]?.total ?? 0,
        flagged_chats: flagged.chats
          .filter((chat) => chat.organisationId === id)
          .map((chat) => withPresence(withUser(chat), isOnline)),
      },
    };
  });
}

/** Reads it for all of these organisations. */
export async function claimedChats(
  { chats, onFault }: Pick<OrganisationParts, "chats" | "onFault">,
  organisationIds: string[],
): Promise<ClaimedChats[]> {
  const lists = await chats.claimedForStaff(organisationIds);
  for (const error of lists.flatMap(({ unreadable }) => unreadable)) onFault(error);
  return lists.map((list) => ({ ...list, servedBy: (staffId) => list.servedBy.get(staffId) ?? 0 }));
}

/** The monitors' part of the snapshot, without the chats that a monitor serves. */
export function monitoredBy(
  staffId: string,
  { chats, total, servedBy }: ClaimedChats,
  { isOnline }: Pick<SecondOrganisation, "isOnline">,
): Monitored {
  const others = chats.flatMap(({ staff, ...chat }) =>
    staff && staff.id !== staffId ? [withPresence({ ...withMessages(chat), staff }, isOnline)] : [],
  );
  return { monitored_chats: others, monitored_total: total - servedBy(staffId) };
}

/** Reads which chats the first of these staff serve: as many staff as the store reads at once. */
export async function ownChats(
  { chats, onFault }: Pick<OrganisationParts, "chats" | "onFault">,
  staffIds: string[],
): Promise<OwnList[]> {
  const lists = await chats.activeLately(staffIds);
  for (const error of lists.flatMap(({ unreadable }) => unreadable)) onFault(error);
  return lists;
}

/** The snapshot's part of the chats that its staff member serves. */
export const ownPart = ({ chats, total }: OwnList, { isOnline }: Pick<SecondOrganisation, "isOnline">): OwnChats => ({
  active_chats: chats.map((chat) => withPresence(withMessages(chat), isOnline)),
  active_total: total,
});

/** The second form of a visitor's snapshot. */
export function secondVisitorInit(first: VisitorInit, serverTime: number): SecondPayload<"visitor_init", "visitor"> {
  const second = toSecondForm(first, "visitor") as Omit<SecondPayload<"visitor_init", "visitor">, keyof Head>;
  return { protocol: 2, server_time: serverTime, ...second, messages_total: second.messages_total ?? 0 };
}

const withPresence = <T extends { user: { id: string } }>(chat: T, isOnline: SecondOrganisation["isOnline"]) => ({
  ...chat,
  visitor_online: isOnline(chat.user.id),
});
