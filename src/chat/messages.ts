import { Refusal } from "../contract/errors.ts";
import type { ChatMessage, Content } from "../contract/models.ts";
import type { Entry } from "./entry.ts";
import type { Chat, ChatPorts, NewMessage, StaffCaller, VisitorCaller } from "./ports.ts";

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
      const { chat, message: stored } = appended;
      ports.announce(entryOf(chat, stored), caller.connectionId);
      return stored;
    }
    if (!mayOpen) throw new Refusal("roomClosed");
    const opened = await ports.chats.open(message);
    if (opened) {
      ports.announce(entryOf(opened.chat, opened.message), caller.connectionId);
      return opened.message;
    }
    // Their chat was joined to an identified visitor. The client comes back as that one, and sends the message again.
    if (await ports.chats.isMerged(caller.user.id)) throw new Refusal("unavailable");
    // Another connection of this visitor has opened a chat in between: the message goes there.
  }
}

/** A staff member's message in a chat that they serve. */
export async function sendStaffMessage(
  ports: ChatPorts,
  caller: StaffCaller,
  { room: chatId, content, ownId }: { room: string; content: Content; ownId: OwnId },
): Promise<ChatMessage> {
  const appended = await ports.chats.append(newMessage(ports, caller, chatId, content, ownId));
  if (appended.outcome === "refused") throw new Refusal(appended.why);
  const { message } = appended;
  if (appended.outcome === "stored") {
    ports.announce(entryOf(appended.chat, message), caller.connectionId);
  }
  return message;
}

const entryOf = (chat: Chat, message: ChatMessage): Entry => ({
  ...{ kind: "message", chat, number: message.sequence_num, cause: "person", message },
});

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
