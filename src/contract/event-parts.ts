import Type, { type TSchema } from "typebox";
import { ChatMessage, Content, ID_EXAMPLE, ID_PATTERN, Room, SeenStaff, Staff, Visitor } from "./models.ts";

export type ServerEvent = {
  /** The receivers, in the words of docs/PROTOCOL.md. The acting connection is never among them. */
  to: string;
  summary: string;
  payload: TSchema;
};

export const RoomId = Type.String({
  pattern: ID_PATTERN,
  description: "the chat's id",
  examples: [ID_EXAMPLE],
});

export const ofStaff = { user: Staff };
export const ofSeenStaff = { user: SeenStaff };
export const ofVisitor = { user: Visitor };
export const inRoom = { room: Room };
export const ofMessage = { room: Room, content: Content, message: ChatMessage };
const Contents = Type.Array(Content, {
  description: "the newest: at most 100, and as many as fit into the snapshot",
});
export const MessagesBeside = Type.Array(ChatMessage, { description: "matches `contents` one by one" });

export const QueuedChat = Type.Object(
  { ...ofVisitor, ...inRoom, contents: Contents, messages: MessagesBeside },
  { title: "QueuedChat" },
);
