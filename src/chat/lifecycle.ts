import { Refusal } from "../contract/errors.ts";
import type { ChatPorts, Decided, StaffCaller, VisitorCaller } from "./ports.ts";
import { monitorsRoom } from "./rooms.ts";

/** The sweep tries a departure again, so it gives up early: by then the user may be back, and another process busy with it. */
const DEPARTURE_GIVE_UP_MS = 2_000;

/** Claims a queued chat for a staff. */
export async function claimChat(ports: ChatPorts, caller: StaffCaller, chatId: string): Promise<void> {
  const claimed = resultOf(await ports.chats.claim(by(caller, chatId)));
  if (!claimed) return;
  const { messages, ...chat } = claimed;
  ports.announce({ kind: "claimed", chat, messages }, caller.connectionId);
}

/** A monitor takes a claimed chat over from a staff of a strictly lower role. */
export async function takeOverChat(ports: ChatPorts, caller: StaffCaller, chatId: string): Promise<void> {
  const takenOver = resultOf(await ports.chats.takeOver(by(caller, chatId)));
  if (takenOver) ports.announce({ kind: "takenOver", ...takenOver }, caller.connectionId);
}

/** The serving staff leaves: the chat is closed, not queued again. */
export async function leaveChatAsStaff(ports: ChatPorts, caller: StaffCaller, chatId: string): Promise<void> {
  const chat = resultOf(await ports.chats.leaveAsStaff({ ...by(caller, chatId), ...limitsOf(caller) }));
  if (chat) ports.announce({ kind: "staffLeft", chat }, caller.connectionId);
}

/** The visitor leaves their open chat, or only `chatId`: the chat is closed. Without an open chat, nothing happens. */
export async function leaveChatAsVisitor(
  { chats, announce }: ChatPorts,
  caller: VisitorCaller,
  chatId?: string,
): Promise<void> {
  const chat = await chats.leaveAsVisitor(caller.user.id, { ...limitsOf(caller), ...(chatId && { chatId }) });
  if (chat) announce({ kind: "visitorLeft", chat }, caller.connectionId);
}

/** Flags a chat of the organisation, open or closed; severity 0 takes the flag away. */
export async function flagChat(
  ports: ChatPorts,
  caller: StaffCaller,
  { room: chatId, severityLevel }: { room: string; severityLevel: number },
): Promise<void> {
  const { organisationId } = caller;
  const flagged = resultOf(await ports.chats.flag({ ...by(caller, chatId), severityLevel }));
  if (!flagged) return;
  const payload = { user: flagged.by, room: flagged.chat.room };
  const event = "chat_has_changed_priority_for_supervisor";
  ports.emit(
    organisationId,
    { event, payload, rooms: [monitorsRoom(organisationId)], except: [] },
    caller.connectionId,
  );
}

/** The ids of the chats that a user takes part in now. */
export const openChatsOf = ({ chats }: ChatPorts, { kind, user }: StaffCaller | VisitorCaller): Promise<string[]> =>
  kind === "visitor" ? chats.openedBy(user.id) : chats.servedBy(user.id);

/**
 * A user leaves those of these chats that they still take part in, because they are gone for good. Safe to do again. One
 * chat that can't be left keeps none of the others open.
 */
export async function leaveAllChats(
  ports: ChatPorts,
  caller: StaffCaller | VisitorCaller,
  chatIds: string[],
): Promise<void> {
  const leave = (chatId: string) =>
    caller.kind === "visitor" ? leaveChatAsVisitor(ports, caller, chatId) : leaveChatAsStaff(ports, caller, chatId);
  const results = await Promise.allSettled(chatIds.map(leave));
  for (const result of results) {
    // Refused: the visitor left, or a monitor took the chat over, at the same moment.
    if (result.status === "rejected" && !(result.reason instanceof Refusal)) throw result.reason;
  }
}

const by = ({ organisationId, user }: StaffCaller, chatId: string) => ({ organisationId, chatId, staffId: user.id });

const limitsOf = ({ connectionId }: StaffCaller | VisitorCaller) =>
  connectionId === null ? { giveUpMs: DEPARTURE_GIVE_UP_MS } : {};

/** The result of a transition; null when the caller repeats one, which is acked true and not announced again. */
function resultOf<T>(decided: Decided<T>): T | null {
  if (decided.outcome === "refused") throw new Refusal(decided.why);
  return decided.outcome === "done" ? decided.result : null;
}
