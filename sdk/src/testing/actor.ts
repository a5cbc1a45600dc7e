import type { ChatMessage } from "../wire.ts";
import type { Person } from "./model.ts";
import type { FakeService } from "./service.ts";

/** The deeds of a user without a client. A refusal is thrown as an error with its `code`. */
export interface Actor {
  /** A visitor's message: it opens a chat when there is none. */
  send(content: ChatMessage["content"]): ChatMessage;
  /** A message of the serving staff member. */
  write(chatId: string, content: ChatMessage["content"]): ChatMessage;
  claim(chatId: string): void;
  takeOver(chatId: string): void;
  flag(chatId: string, level: number): void;
  /** Leaves, and so closes, a chat. Visitors leave their open chat. */
  leave(chatId?: string): void;
}

export function createActor({ act }: FakeService, person: Person): Actor {
  const message = (event: string, ...args: unknown[]) => act(person, event, args).message as ChatMessage;
  return {
    send: (content) => message("visitor_first_msg", content),
    write: (room, content) => message("staff_msg", { room, content }),
    claim: (room) => void act(person, "staff_join", [{ room }]),
    takeOver: (room) => void act(person, "take_over_chat", [{ room }]),
    flag: (room, level) => void act(person, "change_chat_priority", [{ room, severity_level: level }]),
    leave(room) {
      if (person.kind === "visitor") act(person, "visitor_leave_room", []);
      else act(person, "staff_leave_room", [{ room }]);
    },
  };
}
