import { Refusal, type RefusalCode } from "../contract/errors.ts";
import type { Chat, ChatPorts, StaffCaller, Transition, VisitorCaller } from "./ports.ts";
import { monitorsRoom } from "./rooms.ts";

/** Claims a queued chat for a staff. */
export async function claimChat(ports: ChatPorts, caller: StaffCaller, chatId: string): Promise<void> {
  const { messages, ...chat } = await decide(ports, caller, chatId, ports.chats.claim, ({ status }) =>
    status === "claimed" ? "alreadyClaimed" : null,
  );
  ports.announce({ kind: "claimed", chat, messages }, caller.connectionId);
}

/** A monitor takes a claimed chat over from a staff of a strictly lower role. */
export async function takeOverChat(ports: ChatPorts, caller: StaffCaller, chatId: string): Promise<void> {
  const roleId = caller.user.role_id;
  const { chat, from } = await decide(
    ports,
    caller,
    chatId,
    (by) => ports.chats.takeOver({ ...by, roleId }),
    ({ status, staff }) => {
      if (status === "unclaimed") return "notClaimed";
      return staff && staff.role_id <= roleId ? "notLowerRole" : null;
    },
  );
  ports.announce({ kind: "takenOver", chat, from }, caller.connectionId);
}

/** The serving staff leaves: the chat is closed, not queued again. */
export async function leaveChatAsStaff(ports: ChatPorts, caller: StaffCaller, chatId: string): Promise<void> {
  const chat = await decide(ports, caller, chatId, ports.chats.leaveAsStaff, ({ staff }) =>
    staff?.id === caller.user.id ? null : "notServing",
  );
  ports.announce({ kind: "staffLeft", chat }, caller.connectionId);
}

/** The visitor leaves his open chat: it is closed. Without one, nothing happens and nobody is told. */
export async function leaveChatAsVisitor({ chats, announce }: ChatPorts, caller: VisitorCaller): Promise<void> {
  const chat = await chats.leaveAsVisitor(caller.user.id);
  if (chat) announce({ kind: "visitorLeft", chat }, caller.connectionId);
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
  const event = "chat_has_changed_priority_for_supervisor";
  emit(organisationId, { event, payload, rooms: [monitorsRoom(organisationId)], except: [] }, caller.connectionId);
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
