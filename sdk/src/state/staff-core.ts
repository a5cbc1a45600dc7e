import type { Chat, Id, ServedChat, StaffState } from "../types.ts";
import type { People } from "./convert.ts";
import type { Known } from "./known.ts";
import type { Held } from "./log.ts";
import type { Waiting } from "./waiting.ts";

/** Chats of the queue have `waitingSince`, the others don't. */
export type StaffView<C> = ServedChat<C> & { readonly waitingSince?: number };
export type StaffHeld<C> = Held<C, StaffView<C>>;
export type Place = "queue" | "mine" | "watched";
export const places = ["mine", "queue", "watched"] as const;

export interface StaffCore<C> {
  readonly view: StaffState<C>;
  readonly owner: string;
  /** The id of the staff member at this client. */
  readonly user: Id | null;
  /** Whether the first snapshot is in it. */
  readonly isReady: boolean;
  readonly waiting: readonly Waiting<C>[];
  readonly people: People;
  readonly queue: readonly StaffHeld<C>[];
  readonly mine: readonly StaffHeld<C>[];
  /** Null for agents. */
  readonly watched: readonly StaffHeld<C>[] | null;
  /** Whether the chats of other staff must be listed over HTTP, because the snapshot has none. */
  readonly isListing: boolean;
  readonly known: { readonly [chat: Id]: Known };
}

export const startStaff = <C>(): StaffCore<C> => ({
  view: Object.freeze({
    ...{ connection: Object.freeze({ state: "idle" as const }), me: null, isMonitor: false, clockOffset: 0 },
    ...{ queue: none, queueTotal: 0, mine: none, watched: null, flagged: none, staffOnline: none },
    ...{ claiming: new Set<Id>(), outbox: 0, drafts: new Map<Id, string>() },
  }),
  ...{ owner: "", user: null, isReady: false, waiting: none, people: {}, queue: none, mine: none, watched: null },
  ...{ isListing: false, known: {} },
});
const none = Object.freeze([]) as readonly never[];

/** The oldest first. */
export const byAge = (a: { view: Chat }, b: { view: Chat }): number =>
  a.view.createdAt - b.view.createdAt || (a.view.id < b.view.id ? -1 : 1);

/** The chat on the screen, whichever list it is in. */
export const findChat = <C>(core: StaffCore<C>, id: Id): StaffHeld<C> | undefined => {
  for (const place of places) {
    const found = core[place]?.find(({ view }) => view.id === id);
    if (found) return found;
  }
  return undefined;
};
