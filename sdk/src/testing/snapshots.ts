import type { ChatMessage, Staff } from "../wire.ts";
import type { Chats } from "./chats.ts";
import { formOf, type Protocol } from "./forms.ts";
import { isMonitor, lastNumber, type Person, type StoredChat } from "./model.ts";
import type { People } from "./people.ts";

/** How much a snapshot has at most. */
export interface SnapshotLimits {
  /** Queued chats, and watched chats, of `staff_init`. */
  readonly chats: number;
  /** Messages of each served chat in `staff_init`, and in the ack of a claim. */
  readonly messages: number;
  /** Messages in `visitor_init`. */
  readonly visitorMessages: number;
}

type Parts = {
  people: People;
  chats: Chats;
  protocol: Protocol;
  isOnline: (userId: string) => boolean;
  now: () => number;
  limits: SnapshotLimits;
};

export function createSnapshots({ people, chats, protocol, isOnline, now, limits }: Parts) {
  const isLean = protocol === 2;
  const userOf = (chat: StoredChat) => chats.view(chat).visitor;
  const byId = (a: StoredChat, b: StoredChat) => (a.room.id < b.room.id ? -1 : 1);
  const head = (chat: StoredChat) => ({ user: userOf(chat), room: chat.room });
  const online = (chat: StoredChat) => isLean && { visitor_online: isOnline(chat.visitorId) };
  const withMessages = (chat: StoredChat, messages: readonly ChatMessage[]) => ({
    ...{ ...head(chat), messages, messages_total: lastNumber(chat) },
  });

  /** A chat in the form of `active_chats`. */
  const served = (chat: StoredChat) => withMessages(chat, chat.log.slice(isLean ? -limits.messages : -100));
  const queued = (chat: StoredChat) => {
    const messages = chat.log.filter(({ type_id }) => type_id === 1).slice(isLean ? -1 : -100);
    const contents = messages.map(({ content }) => content);
    return { ...withMessages(chat, messages), ...online(chat), ...(!isLean && { contents }) };
  };
  const watched = (chat: StoredChat) => ({
    ...{ ...withMessages(chat, chat.log.slice(-1)), ...online(chat), staff: chats.view(chat).staff },
  });

  const flagged = () => {
    const found = chats.all().filter(({ room }) => room.severity_level !== 0);
    return found.sort((a, b) => b.flaggedAt - a.flaggedAt || byId(b, a)).slice(0, 15);
  };

  function ofStaff(user: Staff) {
    const all = chats.all().sort(byId);
    const queue = all.filter(({ status }) => status === "unclaimed");
    const claimed = all.filter(({ status }) => status === "claimed");
    const mine = claimed.filter(({ staffId }) => staffId === user.id);
    const others = claimed.filter(({ staffId }) => staffId !== user.id);
    const staffOnline = people.allStaff().filter(({ id }) => isOnline(id));
    const visitorsOnline = people.allVisitors().filter(({ id }) => isOnline(id));
    return {
      ...(isLean && { protocol: 2, server_time: now(), user, settings: {} }),
      online_users: staffOnline,
      online_users_total: staffOnline.length,
      ...(!isLean && { online_visitors: visitorsOnline }),
      online_visitors_total: visitorsOnline.length,
      unclaimed_chats: queue.slice(0, isLean ? limits.chats : queue.length).map(queued),
      unclaimed_total: queue.length,
      flagged_chats: flagged().map((chat) => ({ ...head(chat), ...online(chat) })),
      active_chats: mine.map((chat) => ({ ...served(chat), ...online(chat) })),
      active_total: mine.length,
      ...(isLean &&
        isMonitor(user) && {
          monitored_chats: others.slice(0, limits.chats).map(watched),
          monitored_total: others.length,
        }),
    };
  }

  function ofVisitor(user: Extract<Person, { kind: "visitor" }>["user"]) {
    const chat = chats.openOf(user.id);
    const staff = chat ? chats.view(chat).staff : null;
    return {
      ...(isLean && { protocol: 2, server_time: now() }),
      ...formOf({ user, room: chat?.room ?? null, staff }, protocol, true),
      messages: chat?.log.slice(-limits.visitorMessages) ?? [],
      ...((chat || isLean) && { messages_total: chat ? lastNumber(chat) : 0 }),
    };
  }

  return {
    served,
    flagged,
    /** The snapshot of a user's connection. */
    of(person: Person): { event: string; payload: Readonly<Record<string, unknown>> } {
      if (person.kind === "staff") return { event: "staff_init", payload: ofStaff(person.user) };
      return { event: "visitor_init", payload: ofVisitor(person.user) };
    },
  };
}
export type Snapshots = ReturnType<typeof createSnapshots>;
