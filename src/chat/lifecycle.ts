import { Refusal, type RefusalCode } from "../contract/errors.ts";
import type { Chat, ChatPorts, StaffCaller, Transition, VisitorCaller } from "./ports.ts";
import { allStaffRoom, monitorsRoom, staffRoom, visitorRoom } from "./rooms.ts";

/** Claims a queued chat for a staff. */
export async function claimChat(ports: ChatPorts, caller: StaffCaller, chatId: string): Promise<void> {
  const { chats, emit } = ports;
  const chat = await decide(ports, caller, chatId, chats.claim, ({ status }) =>
    status === "claimed" ? "alreadyClaimed" : null,
  );
  const { room, visitor, organisationId } = chat;
  const staff = chat.staff ?? caller.user;
  const own = staffRoom(staff.id);
  emit("staff_claim_chat", { user: visitor, room, staff }, [allStaffRoom(organisationId)], [caller.connectionId]);
  emit("staff_join_room", { user: staff, room }, [visitorRoom(visitor.id)]);
  const { messages } = chat;
  const newChat = { user: staff, room, visitor, contents: messages, messages };
  emit("agent_new_chat", newChat, [monitorsRoom(organisationId)], [own]);
}

/** A monitor takes a claimed chat over from a staff of a strictly lower role. */
export async function takeOverChat(ports: ChatPorts, caller: StaffCaller, chatId: string): Promise<void> {
  const { chats, emit } = ports;
  const roleId = caller.user.role_id;
  const { chat, from } = await decide(
    ports,
    caller,
    chatId,
    (by) => chats.takeOver({ ...by, roleId }),
    ({ status, staff }) => {
      if (status === "unclaimed") return "notClaimed";
      return staff && staff.role_id <= roleId ? "notLowerRole" : null;
    },
  );
  const { room, visitor, organisationId } = chat;
  const user = chat.staff ?? caller.user;
  emit("staff_being_taken_over_chat", { user, room, visitor }, [staffRoom(from.id), visitorRoom(visitor.id)]);
  const takenOver = { user, room: room.id, visitor };
  // The taker's other connections hear it as well: they have to learn that they serve the chat now.
  const to = [monitorsRoom(organisationId)];
  emit("staff_take_over_chat", takenOver, to, [caller.connectionId, staffRoom(from.id)]);
}

/** The serving staff leaves: the chat is closed, not queued again. */
export async function leaveChatAsStaff(ports: ChatPorts, caller: StaffCaller, chatId: string): Promise<void> {
  const { chats, emit } = ports;
  const chat = await decide(ports, caller, chatId, chats.leaveAsStaff, ({ staff }) =>
    staff?.id === caller.user.id ? null : "notServing",
  );
  const { room, visitor, organisationId } = chat;
  const user = chat.staff ?? caller.user;
  const own = staffRoom(user.id);
  emit("staff_leave", { user, room }, [visitorRoom(visitor.id), own], [caller.connectionId]);
  emit("staff_leave_chat_for_supervisor", { user, room, visitor }, [monitorsRoom(organisationId)], [own]);
}

/** The visitor leaves his open chat: it is closed. Without one, nothing happens and nobody is told. */
export async function leaveChatAsVisitor({ chats, emit }: ChatPorts, caller: VisitorCaller): Promise<void> {
  const chat = await chats.leaveAsVisitor(caller.user.id);
  if (!chat) return;
  const { room, visitor, staff, organisationId } = chat;
  const payload = { user: visitor, room };
  const own = visitorRoom(visitor.id);
  if (!staff) {
    emit("visitor_leave_queue", payload, [allStaffRoom(organisationId), own], [caller.connectionId]);
    return;
  }
  emit("visitor_leave", payload, [staffRoom(staff.id), own], [caller.connectionId]);
  emit("visitor_leave_chat_for_supervisor", payload, [monitorsRoom(organisationId)], [staffRoom(staff.id)]);
}

/** Flags a chat of the organisation, open or closed; severity 0 takes the flag away. */
export async function flagChat(
  ports: ChatPorts,
  caller: StaffCaller,
  { room: chatId, severityLevel }: { room: string; severityLevel: number },
): Promise<void> {
  const { chats, emit } = ports;
  const { organisationId, user } = caller;
  const chat = await chats.flag({ organisationId, chatId, staffId: user.id, severityLevel });
  if (!chat) throw new Refusal("roomClosed");
  const payload = { user, room: chat.room };
  emit("chat_has_changed_priority_for_supervisor", payload, [monitorsRoom(organisationId)], [caller.connectionId]);
}

/** Whatever chats a user takes part in are left, because he is gone for good. Safe to do again. */
export async function leaveAllChats(ports: ChatPorts, caller: StaffCaller | VisitorCaller): Promise<void> {
  if (caller.kind === "visitor") return leaveChatAsVisitor(ports, caller);
  for (const chatId of await ports.chats.servedBy(caller.user.id)) {
    await leaveChatAsStaff(ports, caller, chatId).catch((error: unknown) => {
      // The visitor left, or a monitor took the chat over, at the same moment.
      if (!(error instanceof Refusal)) throw error;
    });
  }
}

/**
 * Lets the database decide; when it says no, says why. A "why" that no longer holds (null: the chat has changed again
 * since) means another try.
 */
async function decide<T>(
  { chats }: ChatPorts,
  { organisationId, user }: StaffCaller,
  chatId: string,
  statement: (by: Transition) => Promise<T | null>,
  whyNot: (chat: Chat) => RefusalCode | null,
): Promise<T> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const decided = await statement({ organisationId, chatId, staffId: user.id });
    if (decided) return decided;
    const chat = await chats.find(organisationId, chatId);
    const code = !chat || chat.status === "closed" ? "roomClosed" : whyNot(chat);
    if (code) throw new Refusal(code);
  }
  throw new Error(`chat ${chatId} is neither changed nor is there a reason why not`);
}
