import { Refusal } from "../contract/errors.ts";
import type { Cause } from "./entry.ts";
import type { ChatPorts, Decided, StaffCaller, VisitorCaller } from "./ports.ts";

/** The sweep retries a departure, so one try is short: by then the user may be back, or another process may handle it. */
const DEPARTURE_GIVE_UP_MS = 2_000;

/** Claims a queued chat for a staff member. */
export async function claimChat(ports: ChatPorts, caller: StaffCaller, chatId: string): Promise<void> {
  const claimed = resultOf(await ports.chats.claim(by(caller, chatId)));
  if (!claimed) return;
  const { messages, ...chat } = claimed;
  ports.announce({ kind: "claimed", chat, number: chat.lastNumber, cause: "person", messages }, caller.connectionId);
}

/** A monitor takes a claimed chat over from a staff member of a strictly lower role. */
export async function takeOverChat(ports: ChatPorts, caller: StaffCaller, chatId: string): Promise<void> {
  const takenOver = resultOf(await ports.chats.takeOver(by(caller, chatId)));
  if (!takenOver) return;
  const { chat, from } = takenOver;
  ports.announce({ kind: "takenOver", chat, number: chat.lastNumber, cause: "person", from }, caller.connectionId);
}

/** The serving staff member leaves: the chat is closed, not queued again. */
export async function leaveChatAsStaff(
  ports: ChatPorts,
  caller: StaffCaller,
  chatId: string,
  cause: Cause = "person",
): Promise<void> {
  const chat = resultOf(await ports.chats.leaveAsStaff({ ...by(caller, chatId), cause, ...limitsOf(caller) }));
  if (chat) ports.announce({ kind: "staffLeft", chat, number: chat.lastNumber, cause }, caller.connectionId);
}

/** The visitor leaves their open chat, or only `chatId`: the chat is closed. Without an open chat, nothing happens. */
export async function leaveChatAsVisitor(
  { chats, announce }: ChatPorts,
  caller: VisitorCaller,
  { chatId, cause = "person" }: { chatId?: string; cause?: Cause } = {},
): Promise<void> {
  const chat = await chats.leaveAsVisitor(caller.user.id, { cause, ...limitsOf(caller), ...(chatId && { chatId }) });
  if (chat) announce({ kind: "visitorLeft", chat, number: chat.lastNumber, cause }, caller.connectionId);
  // The chat that the client means is an identified visitor's since a moment: the client comes back as that visitor.
  else if (chatId === undefined && (await chats.isMerged(caller.user.id))) throw new Refusal("unavailable");
}

/**
 * Gives the open chat of an anonymous visitor to an identified one. Answers whether there was such a chat.
 * @param formerId the anonymous visitor
 */
export async function joinChat(
  { chats, announce }: Pick<ChatPorts, "chats" | "announce">,
  people: { organisationId: string; formerId: string; visitorId: string },
): Promise<boolean> {
  const joined = await chats.join(people);
  if (!joined) return false;
  const { chat, isLeft } = joined;
  const number = isLeft ? chat.lastNumber - 1 : chat.lastNumber;
  const status = chat.staff ? "claimed" : "unclaimed";
  const open = { ...chat, status, lastNumber: number } as const;
  announce({ kind: "visitorIdentified", chat: open, number, cause: "person", formerId: people.formerId }, null);
  if (isLeft) announce({ kind: "visitorLeft", chat, number: chat.lastNumber, cause: "person" }, null);
  return true;
}

/** Flags a chat of the organisation, open or closed; severity 0 takes the flag away. */
export async function flagChat(
  ports: ChatPorts,
  caller: StaffCaller,
  { room: chatId, severityLevel }: { room: string; severityLevel: number },
): Promise<void> {
  const flagged = resultOf(await ports.chats.flag({ ...by(caller, chatId), severityLevel }));
  if (flagged) ports.announce({ kind: "flagged", cause: "person", ...flagged }, caller.connectionId);
}

/** The ids of the chats that a user takes part in now. */
export const openChatsOf = ({ chats }: ChatPorts, { kind, user }: StaffCaller | VisitorCaller): Promise<string[]> =>
  kind === "visitor" ? chats.openedBy(user.id) : chats.servedBy(user.id);

/**
 * Closes the given chats that a departed user still takes part in. It can be repeated. A failure for one chat doesn't
 * affect the others.
 */
export async function leaveAllChats(
  ports: ChatPorts,
  caller: StaffCaller | VisitorCaller,
  { chatIds, cause }: { chatIds: string[]; cause: Cause },
): Promise<void> {
  const leave = (chatId: string) =>
    caller.kind === "visitor"
      ? leaveChatAsVisitor(ports, caller, { chatId, cause })
      : leaveChatAsStaff(ports, caller, chatId, cause);
  const results = await Promise.allSettled(chatIds.map(leave));
  for (const result of results) {
    // A refusal: the other side left, or a monitor took the chat over, at the same moment.
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
