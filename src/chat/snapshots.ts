import type { ServerPayload } from "../contract/events.ts";
import type { ChatStore, ChatWithMessages, People, StaffCaller, UserRef, VisitorCaller } from "./ports.ts";

/** Reads what a staff's screen starts from. `online` are the users of his organisation who are online. */
export async function staffSnapshot(
  { chats, people }: { chats: ChatStore; people: People },
  caller: StaffCaller,
  online: UserRef[],
): Promise<ServerPayload<"staff_init">> {
  const idsOf = (kind: UserRef["kind"]) => online.filter((user) => user.kind === kind).map((user) => user.id);
  const [online_users, online_visitors, queue, flagged, active] = await Promise.all([
    people.staff(idsOf("staff")),
    people.visitors(idsOf("visitor")),
    chats.queue(caller.organisationId),
    chats.flagged(caller.organisationId),
    chats.active(caller.user.id),
  ]);
  return {
    online_users,
    online_visitors,
    unclaimed_chats: queue.map((chat) => ({
      ...withUser(chat),
      contents: chat.messages.map((message) => message.content),
      messages: chat.messages,
    })),
    flagged_chats: flagged.map(withUser),
    active_chats: active.map((chat) => ({ ...withUser(chat), messages: chat.messages })),
  };
}

/** Reads what a visitor's screen starts from. */
export async function visitorSnapshot(
  chats: ChatStore,
  { user }: VisitorCaller,
): Promise<ServerPayload<"visitor_init">> {
  const chat = await chats.openChatOf(user.id);
  return { user, room: chat?.room ?? null, staff: chat?.staff ?? null, messages: chat?.messages ?? [] };
}

const withUser = ({ visitor, room }: Pick<ChatWithMessages, "visitor" | "room">) => ({ user: visitor, room });
