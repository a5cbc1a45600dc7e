import { Refusal } from "../contract/errors.ts";
import type { ChatMessage, Content } from "../contract/models.ts";
import type { Chat, ChatPorts, NewMessage, StaffCaller, VisitorCaller } from "./ports.ts";
import { allStaffRoom, monitorsRoom, staffRoom, visitorRoom } from "./rooms.ts";

/** A client's own id for a safe resend: a UUID, with or without dashes. */
type OwnId = string | undefined;

/**
 * A visitor's message, whichever of the three events it came by: the chat's true state decides, never what the client
 * believes. Only `mayOpen` (visitor_first_msg) opens a chat when there is none.
 */
export async function sendVisitorMessage(
  ports: ChatPorts,
  caller: VisitorCaller,
  { content, ownId, mayOpen }: { content: Content; ownId: OwnId; mayOpen: boolean },
): Promise<ChatMessage> {
  const message = newMessage(ports, caller, null, content, ownId);
  for (;;) {
    const appended = await ports.chats.append(message);
    if (appended.outcome === "resent") return appended.message;
    if (appended.outcome === "stored") {
      tellVisitorMessage(ports, caller, appended.chat, appended.message);
      return appended.message;
    }
    if (!mayOpen) throw new Refusal("roomClosed");
    const opened = await ports.chats.open(message);
    if (opened) {
      tellOpened(ports, caller, opened.chat, opened.message);
      return opened.message;
    }
    // Another connection of this visitor has opened a chat in between: the message goes there.
  }
}

function tellOpened({ emit }: ChatPorts, caller: VisitorCaller, { room, visitor }: Chat, message: ChatMessage): void {
  const payload = { user: visitor, room, contents: [message.content], messages: [message] };
  emit(
    "append_unclaimed_chats",
    payload,
    [allStaffRoom(caller.organisationId), visitorRoom(visitor.id)],
    [caller.connectionId],
  );
}

function tellVisitorMessage({ emit }: ChatPorts, caller: VisitorCaller, chat: Chat, message: ChatMessage): void {
  const { room, visitor, staff } = chat;
  const payload = { user: visitor, room, content: message.content, message };
  const own = visitorRoom(visitor.id);
  if (!staff) {
    emit("visitor_unclaimed_msg", payload, [allStaffRoom(chat.organisationId), own], [caller.connectionId]);
    return;
  }
  emit("visitor_send", payload, [staffRoom(staff.id), own], [caller.connectionId]);
  emit("new_visitor_msg_for_supervisor", payload, [monitorsRoom(chat.organisationId)], [staffRoom(staff.id)]);
}

/** A staff's message in a chat that he serves. */
export async function sendStaffMessage(
  ports: ChatPorts,
  caller: StaffCaller,
  { room: chatId, content, ownId }: { room: string; content: Content; ownId: OwnId },
): Promise<ChatMessage> {
  const appended = await ports.chats.append(newMessage(ports, caller, chatId, content, ownId));
  if (appended.outcome === "refused") throw new Refusal(appended.openChat ? "notServing" : "roomClosed");
  if (appended.outcome === "stored") tellStaffMessage(ports, caller, appended.chat, appended.message);
  return appended.message;
}

function tellStaffMessage({ emit }: ChatPorts, caller: StaffCaller, chat: Chat, message: ChatMessage): void {
  const { room, visitor } = chat;
  // As the database has him now: he may have changed his name since he connected.
  const user = chat.staff ?? caller.user;
  const payload = { user, room, content: message.content, message };
  const own = staffRoom(user.id);
  emit("staff_send", payload, [visitorRoom(visitor.id), own], [caller.connectionId]);
  emit("new_staff_msg_for_supervisor", { ...payload, visitor }, [monitorsRoom(chat.organisationId)], [own]);
}

function newMessage(
  { newId }: ChatPorts,
  caller: StaffCaller | VisitorCaller,
  chatId: string | null,
  content: Content,
  ownId: OwnId,
): NewMessage {
  const id = ownId?.replaceAll("-", "").toLowerCase() ?? newId();
  return { id, organisationId: caller.organisationId, senderId: caller.user.id, chatId, content };
}
