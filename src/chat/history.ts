import type { ChatMessage, Staff } from "../contract/models.ts";
import type { People } from "../identity/accounts.ts";
import type { Chat, ChatStore, History } from "./ports.ts";
import type { Step } from "./steps.ts";

/**
 * Turns what is stored of chats back into their steps, in order. Who served when follows from the system messages; people
 * and rooms are as they are now.
 */
export async function stepsOf(
  { chats, people }: { chats: Pick<ChatStore, "messagesBefore">; people: Pick<People, "staff"> },
  histories: History[],
): Promise<Step[]> {
  const ids = histories.flatMap(({ servedBefore, messages }) => [servedBefore, ...messages.map((one) => one.sender)]);
  const staff = new Map<string | null, Staff>();
  for (const one of await people.staff([...new Set(ids.filter((id) => id !== null))])) staff.set(one.id, one);

  const steps: Step[] = [];
  for (const { chat, servedBefore, messages } of histories) {
    let serving = staff.get(servedBefore) ?? null;
    for (const message of messages) {
      const before = serving;
      const isLeave = message.type_id === 0 && message.content.content === "leave room";
      if (message.type_id === 0 && !isLeave) serving = staff.get(message.sender) ?? null;
      const then: Chat = { ...chat, staff: serving, lastNumber: message.sequence_num };
      if (message.type_id === 1) steps.push(written(then, message));
      else if (isLeave) steps.push({ kind: message.sender === null ? "visitorLeft" : "staffLeft", chat: then });
      else if (before) steps.push({ kind: "takenOver", chat: then, from: before });
      else
        steps.push({
          kind: "claimed",
          chat: then,
          messages: await chats.messagesBefore(chat.room.id, then.lastNumber),
        });
    }
  }
  return steps;
}

function written(chat: Chat, message: ChatMessage): Step {
  if (message.sender !== null) return { kind: "staffMessage", chat, message };
  return { kind: message.sequence_num === 1 ? "opened" : "visitorMessage", chat, message };
}
