import type { ServerPayload } from "../contract/events.ts";
import type { ChatStore, ChatWithMessages, People, UserRef, VisitorCaller } from "./ports.ts";

type StaffInit = ServerPayload<"staff_init">;
/** What the screens of all staff of an organisation start from alike. */
export type OrganisationSnapshot = Omit<StaffInit, "active_chats">;

/** Reads it for several organisations. `online` are the users of all of them who are online. */
export async function organisationSnapshots(
  { chats, people }: { chats: ChatStore; people: People },
  organisationIds: string[],
  online: UserRef[],
): Promise<OrganisationSnapshot[]> {
  const idsOf = (kind: UserRef["kind"]) => online.filter((user) => user.kind === kind).map((user) => user.id);
  const [staff, visitors, queued, flagged] = await Promise.all([
    people.staff(idsOf("staff")),
    people.visitors(idsOf("visitor")),
    chats.queues(organisationIds),
    chats.flagged(organisationIds),
  ]);
  const organisationOf = new Map(online.map(({ id, organisationId }) => [id, organisationId]));
  return organisationIds.map((id) => ({
    online_users: staff.filter((one) => one.organisation_id === id),
    online_visitors: visitors.filter((one) => organisationOf.get(one.id) === id),
    unclaimed_chats: queued
      .filter((chat) => chat.organisationId === id)
      .map((chat) => ({
        ...withUser(chat),
        contents: chat.messages.map((message) => message.content),
        messages: chat.messages,
      })),
    flagged_chats: flagged.filter((chat) => chat.organisationId === id).map(withUser),
  }));
}

/** Reads which chats each of these staff serves. */
export async function activeChats(chats: ChatStore, staffIds: string[]): Promise<StaffInit["active_chats"][]> {
  const active = Map.groupBy(await chats.active(staffIds), (chat) => chat.staff?.id);
  return staffIds.map((id) => (active.get(id) ?? []).map((chat) => ({ ...withUser(chat), messages: chat.messages })));
}

/** Reads what the screen of each of these visitors starts from. */
export async function visitorSnapshots(
  chats: ChatStore,
  callers: VisitorCaller[],
): Promise<ServerPayload<"visitor_init">[]> {
  const open = await chats.openChats(callers.map(({ user }) => user.id));
  const chatOf = new Map(open.map((chat) => [chat.visitor.id, chat]));
  return callers.map(({ user }) => {
    const chat = chatOf.get(user.id);
    return { user, room: chat?.room ?? null, staff: chat?.staff ?? null, messages: chat?.messages ?? [] };
  });
}

const withUser = ({ visitor, room }: Pick<ChatWithMessages, "visitor" | "room">) => ({ user: visitor, room });
