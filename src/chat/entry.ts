import type { ChatMessage, Staff } from "../contract/models.ts";
import type { Members } from "./audience.ts";
import type { Chat } from "./ports.ts";

/**
 * Why an entry was made: `person` = its actor did it; `loss` = its actor's connections were lost and the grace period ended;
 * `disabled` = an admin has disabled its actor; `unknown` = a version that kept no causes wrote it.
 */
export const causes = ["person", "loss", "disabled", "unknown"] as const;
export type Cause = (typeof causes)[number];

type Any = { chat: Chat; number: number; cause: Cause };
type Entries = {
  message: Any & { kind: "message"; message: ChatMessage };
  /** `messages` are the visitor's newest so far. */
  claimed: Any & { kind: "claimed"; messages: ChatMessage[] };
  /** `from` is the staff member who served the chat before. */
  takenOver: Any & { kind: "takenOver"; from: Staff };
  staffLeft: Any & { kind: "staffLeft" };
  visitorLeft: Any & { kind: "visitorLeft" };
  /** The chat was that of the anonymous visitor `formerId` before. */
  visitorIdentified: Any & { kind: "visitorIdentified"; formerId: string };
  /** `by` has set the flag, or with severity 0 removed it. */
  flagged: Any & { kind: "flagged"; by: Staff };
};
export type EntryKind = keyof Entries;
export type EntryOf<K extends EntryKind> = Entries[K];

/**
 * One entry of a chat's log, with the people in it. `number` counts within the log. `chat` is the chat as it was right after
 * the entry. The kinds are registered in ./kinds.ts.
 */
export type Entry = Entries[EntryKind];

export const membersOf = (entry: Entry): Members => ({
  organisationId: entry.chat.organisationId,
  visitorId: entry.chat.visitor.id,
  staffId: entry.chat.staff?.id ?? null,
  previousId: entry.kind === "takenOver" ? entry.from.id : undefined,
});
