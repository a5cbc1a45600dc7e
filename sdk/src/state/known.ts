import type { ChatMessage, ChatStatus, Room, StaffProfile } from "../wire.ts";
import { patch, share } from "./share.ts";

/**
 * All that a staff member's client knows of a chat, on the screen or not. A chat only goes on from status to status, and
 * only to a higher role. So news may come in any order, and twice: the result is the same.
 */
export interface Known {
  readonly status: ChatStatus;
  /** The serving staff member. The id "" is somebody else, who isn't known. */
  readonly by: StaffProfile | null;
  /** The `updated_at` of the room that the severity is from. */
  readonly changedAt: number;
  readonly severity: number;
  /** Whether the queue's total counts it. */
  readonly isCounted: boolean;
  /** Messages that came while the chat wasn't on the screen. */
  readonly rows: readonly ChatMessage[];
}
export interface News {
  status: ChatStatus;
  by?: StaffProfile | null | undefined;
  room?: Room | undefined;
}

export const unknown: Known = Object.freeze({
  ...{ status: "unclaimed", by: null, changedAt: 0, severity: 0, isCounted: false, rows: Object.freeze([]) },
} as const);
export const somebody: StaffProfile = Object.freeze({ id: "", display_name: "", role_id: 0 as 1 });

const ranks = { unclaimed: 0, claimed: 1, closed: 2 };

/** The same object when there is nothing new. */
export function learn(old: Known, { status, by, room }: News): Known {
  const { role_id = 9 } = old.by ?? {};
  return patch(old, {
    status: ranks[status] > ranks[old.status] ? status : old.status,
    by: by && by.role_id < role_id ? share(old.by, by) : old.by,
    ...severityOf(old, room),
  });
}

export const severityOf = (old: Known, room?: Room) => {
  const changedAt = room?.updated_at ?? 0;
  return room && changedAt >= old.changedAt ? { changedAt, severity: room.severity_level ?? 0 } : {};
};
