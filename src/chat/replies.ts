import type { AckValue } from "../contract/acks.ts";
import type { RefusalCode } from "../contract/errors.ts";
import { type ClientEventName, clientEvents } from "../contract/events.ts";
import type { ChatMessage, Staff } from "../contract/models.ts";
import type { Caller, ChatPorts } from "./ports.ts";

type Ports = { chats: Pick<ChatPorts["chats"], "chatForStaff" | "servingStaff"> };

/** The refusals after which a client wants to know who has the chat. */
const rivalled = new Set<RefusalCode>(["alreadyClaimed", "notServing", "notLowerRole"]);

/**
 * The third value of a protocol-2 ack after true: the stored message, the chat as its new staff member sees it, or null.
 * @param chatId the chat that the event names
 * @param message the command's result
 */
export async function replyOf(
  { chats }: Ports,
  { organisationId }: Caller,
  { event, chatId, message }: { event: ClientEventName; chatId: string | undefined; message: ChatMessage | void },
): Promise<AckValue> {
  if (message) return message;
  if (clientEvents[event].value !== "chat" || chatId === undefined) return null;
  const chat = await chats.chatForStaff(organisationId, chatId);
  if (!chat) throw new Error(`The chat ${chatId} doesn't exist any more`);
  return { user: chat.visitor, room: chat.room, messages: chat.messages, messages_total: chat.lastNumber };
}

/** The staff member who has the chat, after a refusal that this explains; null after others, or when nobody serves it. */
export async function rivalOf(
  { chats }: Ports,
  { kind, organisationId }: Caller,
  { code, chatId }: { code: RefusalCode; chatId: string | undefined },
): Promise<Staff | null> {
  if (kind !== "staff" || chatId === undefined || !rivalled.has(code)) return null;
  return chats.servingStaff(organisationId, chatId);
}
