import type { ServerPayload } from "../contract/events.ts";
import type { People } from "../identity/accounts.ts";
import type { UserRef } from "../identity/user-ref.ts";
import { readEach } from "../platform/postgres/each.ts";
import type { ChatStore, ChatWithMessages, VisitorCaller } from "./ports.ts";

type StaffInit = ServerPayload<"staff_init">;
export type VisitorInit = ServerPayload<"visitor_init">;
/** The chats that one staff member serves, and their number. */
export type ActiveChats = Pick<StaffInit, "active_chats" | "active_total">;
/** The part of `staff_init` that is the same for all staff of an organisation. */
export type OrganisationSnapshot = Omit<StaffInit, keyof ActiveChats>;

/**
 * `staff_init` has at most 2 MB. Their own chats get up to 600 KB, the queue up to 1.1 MB, and people the
 * rest. Reading the lists already cuts them (src/store/snapshots.ts).
 */
const SHARED_BYTES = 1_390_000;
/** No more people are read: the smallest that they can be as JSON would fill the room already. */
const MAX_PEOPLE = 6_000;

export type OrganisationParts = {
  chats: ChatStore;
  people: People;
  /** The users of an organisation who are online. */
  online: (organisationId: string) => Promise<UserRef[]>;
  /** Called with why a chat or a user that can't be read is left out. */
  onFault: (error: unknown) => void;
};

/** Reads it for the first of these organisations: as many as the store reads queues at once. */
export async function organisationSnapshots(
  { chats, people, online, onFault }: OrganisationParts,
  wantedIds: string[],
): Promise<OrganisationSnapshot[]> {
  const queues = await chats.queues(wantedIds);
  const organisationIds = wantedIds.slice(0, queues.length);
  const users = await Promise.all(organisationIds.map(online));
  const idsOf = (kind: UserRef["kind"]) =>
    users.map((all) => all.filter((user) => user.kind === kind).map(({ id }) => id));
  const [staffIds, visitorIds] = [idsOf("staff"), idsOf("visitor")];
  const [staff, visitors, flagged] = await Promise.all([
    readPeople(people.staff, staffIds, onFault),
    readPeople(people.visitors, visitorIds, onFault),
    chats.flagged(organisationIds),
  ]);
  for (const error of [...queues, flagged].flatMap(({ unreadable }) => unreadable)) onFault(error);
  return organisationIds.map((id, index) => {
    const queue = queues[index] ?? { chats: [], total: 0, unreadable: [] };
    const unclaimed = queue.chats.map((chat) => ({
      ...withMessages(chat),
      contents: chat.messages.map((message) => message.content),
    }));
    const flaggedHere = flagged.chats.filter((chat) => chat.organisationId === id).map(withUser);
    const room = SHARED_BYTES - sizeOf(unclaimed) - sizeOf(flaggedHere);
    const [allStaff, allVisitors] = [staff[index] ?? [], visitors[index] ?? []];
    // Each kind has half of the room, and what the other kind leaves of its half.
    const shownStaff = fitting(allStaff, Math.max(room / 2, room - sizeOf(allVisitors)));
    const shownVisitors = fitting(allVisitors, room - sizeOf(shownStaff));
    return {
      online_users: shownStaff,
      online_users_total: totalOf(allStaff, staffIds[index]),
      online_visitors: shownVisitors,
      online_visitors_total: totalOf(allVisitors, visitorIds[index]),
      unclaimed_chats: unclaimed,
      unclaimed_total: queue.total,
      flagged_chats: flaggedHere,
    };
  });
}

/** Reads people of several organisations by one statement. Ids are time-ordered, so the oldest accounts come first. */
export async function readPeople<P extends { id: string }>(
  readSome: (ids: string[]) => Promise<P[]>,
  idsOfEach: string[][],
  onFault: (error: unknown) => void,
): Promise<P[][]> {
  const shown = idsOfEach.map((ids) => ids.toSorted().slice(0, MAX_PEOPLE));
  const { found: all, unreadable } = await readEach(readSome, shown.flat());
  for (const error of unreadable.values()) onFault(error);
  const found = new Map(all.map((one) => [one.id, one]));
  return shown.map((ids) => ids.flatMap((id) => found.get(id) ?? []));
}

/** Unknown people aren't online. For people who weren't read it isn't known. */
export const totalOf = (found: unknown[], ids: string[] = []) => (ids.length <= MAX_PEOPLE ? found.length : ids.length);

/** Reads which chats the first of these staff serve: as many staff as the store reads at once. */
export async function activeChats(
  { chats, onFault }: Pick<OrganisationParts, "chats" | "onFault">,
  staffIds: string[],
): Promise<ActiveChats[]> {
  const lists = await chats.active(staffIds);
  for (const error of lists.flatMap(({ unreadable }) => unreadable)) onFault(error);
  return lists.map((list) => ({
    active_chats: list.chats.map(withMessages),
    active_total: list.total,
  }));
}

/** Reads what the screens of the first of these visitors start from: as many visitors as the store reads at once. */
export async function visitorSnapshots(chats: ChatStore, callers: VisitorCaller[]): Promise<VisitorInit[]> {
  const lists = await chats.openChats(callers.map(({ user }) => user.id));
  return callers.slice(0, lists.length).map(({ user }, index) => {
    // Without their chat visitors would believe that it was closed.
    for (const error of lists[index]?.unreadable ?? []) throw error;
    const chat = lists[index]?.chats[0];
    if (!chat) return { user, room: null, staff: null, messages: [] };
    return { user, room: chat.room, staff: chat.staff, messages: chat.messages, messages_total: chat.lastNumber };
  });
}

export const withUser = ({ visitor, room }: Pick<ChatWithMessages, "visitor" | "room">) => ({ user: visitor, room });
export const withMessages = (chat: Pick<ChatWithMessages, "visitor" | "room" | "messages" | "lastNumber">) => ({
  ...{ ...withUser(chat), messages: chat.messages, messages_total: chat.lastNumber },
});

const sizeOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** The first of them, as many as fit into so many bytes of JSON. */
export function fitting<T>(items: T[], bytes: number): T[] {
  let left = bytes - 2;
  const end = items.findIndex((item) => {
    left -= sizeOf(item) + 1;
    return left < 0;
  });
  return end === -1 ? items : items.slice(0, end);
}
