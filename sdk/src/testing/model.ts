import type { ChatMessage, ChatStatus, Room, Staff, Visitor } from "../wire.ts";

/** A chat as the fake server keeps it. Each object in it is replaced, never changed. */
export interface StoredChat {
  room: Room;
  readonly visitorId: string;
  staffId: string | null;
  status: ChatStatus;
  claimedBy: string | null;
  closedBy: string | null;
  claimedAt: number | null;
  closedAt: number | null;
  flaggedAt: number;
  /** All messages, system messages included, by their numbers. */
  readonly log: ChatMessage[];
}

/** A chat with its people, as it was at one moment. */
export interface ChatView {
  readonly room: Room;
  readonly visitor: Visitor;
  readonly staff: Staff | null;
  readonly status: ChatStatus;
}

/** A change of a chat, which its receivers get as events. `number` is null for a flag. */
export type Entry = { readonly chat: ChatView; readonly number: number | null } & (
  | { readonly kind: "message"; readonly message: ChatMessage }
  | { readonly kind: "claimed"; readonly messages: readonly ChatMessage[] }
  | { readonly kind: "takenOver"; readonly from: Staff }
  | { readonly kind: "staffLeft" | "visitorLeft" }
  | { readonly kind: "flagged"; readonly by: Staff }
);

export type Person =
  | { readonly kind: "staff"; readonly user: Staff }
  | { readonly kind: "visitor"; readonly user: Visitor };

export const isMonitor = ({ role_id }: Pick<Staff, "role_id">): boolean => role_id <= 2;
export const lastNumber = ({ log }: StoredChat): number => log.length;
