import type { Chat, Id, Message, QueuedChat, StaffEvents, StaffState } from "../types.ts";
import type { ChatMessage, ChatStatus, SeenStaff, Staff } from "../wire.ts";
import { chatOf, messageOf, type People, profileOf, type Read, type WireChat } from "./convert.ts";
import { arrivals, insert, type Rows, renew, show } from "./log.ts";
import type { Say } from "./say.ts";
import { patch, share } from "./share.ts";
import {
  byAge,
  findChat,
  type Place,
  type StaffCore,
  type StaffHeld,
  type StaffView,
  withoutWaiting,
} from "./staff-core.ts";

export type Edit<C> = ReturnType<typeof editStaff<C>>;
type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** The most chats that the screen has of the queue, and of other staff. */
export const WINDOW = 200;
const MAX_PAST = 1000;

/** The steps that change the screen of a staff member, on a copy of it. */
export function editStaff<C>(core: StaffCore<C>, read: Read<C>, say: Say<StaffEvents<C>>) {
  const next: Writable<StaffCore<C>> = { ...core };
  const view: Writable<StaffState<C>> = { ...core.view };

  const find = (id: Id) => findChat(next, id);
  const message = (row: ChatMessage): Message<C> =>
    messageOf(row, read, next.user, next.people, (failed, failure) => say("failed", { message: failed, failure }));
  const draw = (held: StaffHeld<C>, rows: Rows<C> = held, changes: Partial<StaffView<C>> = {}, upTo = held.read) => {
    const echoes = next.waiting.filter(({ message }) => message.chatId === held.view.id);
    const fields = Object.entries(changes).map(([name, value]) => [name, share(held.view[name as "id"], value)]);
    return show(
      held,
      rows,
      echoes.map((one) => one.message),
      Object.fromEntries(fields) as Partial<StaffView<C>>,
      upTo,
    );
  };
  const meet = (...staff: (Staff | SeenStaff | null | undefined)[]) => {
    for (const one of staff)
      if (one) next.people = patch(next.people, { [one.id]: share(next.people[one.id], profileOf(one)) } as People);
  };

  const takeFrom = (place: Place, id: Id) => {
    const list = next[place];
    if (list?.some((held) => held.view.id === id)) next[place] = list.filter((held) => held.view.id !== id);
  };
  /** Takes a chat off the screen. */
  const take = (id: Id) => {
    for (const place of ["queue", "mine", "watched"] as const) takeFrom(place, id);
  };
  /** Puts a chat into its list, or in the place of its former self there. */
  const put = (place: Place, held: StaffHeld<C>) => {
    const { id } = held.view;
    const placed = place === "queue" ? held : withoutWaiting(held);
    const list = next[place] ?? [];
    const at = list.findIndex((other) => other.view.id === id);
    if (at >= 0) {
      if (list[at] !== placed) next[place] = list.with(at, placed);
      return;
    }
    take(id);
    next[place] = [...(next[place] ?? []), placed].sort(byAge);
  };
  const placeOf = (id: Id) =>
    (["queue", "mine", "watched"] as const).find((p) => next[p]?.some((h) => h.view.id === id));

  /** The chat of a payload with these fields: the one on the screen, or a new one. */
  const held = (
    { room, user, visitor_online: visitorOnline }: Pick<WireChat, "room" | "user" | "visitor_online">,
    staff: SeenStaff | null,
    status: ChatStatus,
  ): StaffHeld<C> => {
    const before = find(room.id);
    const fields = {
      ...chatOf(room, user, staff, status),
      visitorOnline: visitorOnline ?? before?.view.visitorOnline ?? true,
      ...(status === "unclaimed" && { waitingSince: room.created_at - view.clockOffset }),
    };
    if (before) return patch(draw(before, before, fields), { changedAt: room.updated_at ?? 0 });
    const log = { rows: [], floor: Number.POSITIVE_INFINITY, whole: 0, read: 0, changedAt: room.updated_at ?? 0 };
    return { ...log, view: share(undefined, { ...fields, messages: [], older: "some", unread: 0 }) };
  };
  /** Announces the messages of the other side that are new. */
  const announce = (before: StaffHeld<C> | undefined, after: StaffHeld<C>) => {
    if (before) for (const one of arrivals(before, after)) say("message", { chat: after.view.id, message: one });
    return after;
  };
  const add = (to: StaffHeld<C>, rows: ChatMessage[]) => announce(to, draw(to, insert(to, rows.map(message))));
  /** A chat as snapshots and acks have it. */
  const renewed = (chat: WireChat, staff: SeenStaff | null, status: ChatStatus) => {
    const before = find(chat.room.id);
    const newest = chat.messages.map(message);
    const total = chat.messages_total ?? newest.at(-1)?.seq ?? 0;
    const now = held(chat, staff, status);
    return announce(before, draw(now, renew(before ?? null, newest, total)));
  };

  /** A late event about this chat doesn't bring it back. */
  const bury = (id: Id, changedAt: number) => {
    const entries = Object.entries(next.past).filter(([other]) => other !== id);
    next.past = Object.fromEntries([...entries.slice(-MAX_PAST), [id, changedAt]]);
  };
  const isPast = ({ id, updated_at }: { id: Id; updated_at: number | null }) =>
    (updated_at ?? 0) <= (next.past[id] ?? -1);
  /** The chat is no queued one any more. */
  const leaveQueue = (id: Id, changedAt: number, why: "claimed" | "left", by: Staff | null) => {
    const wasThere = next.queue.some((chat) => chat.view.id === id);
    if (!wasThere && id in next.past) return;
    if (wasThere || next.queue.length < view.queueTotal) view.queueTotal--;
    bury(id, changedAt);
    say("unqueued", { chat: id, why, by });
  };
  /** A claimed chat is closed. */
  const end = (id: Id, changedAt: number, by: "me" | "visitor" | "staff") => {
    const wasThere = find(id);
    bury(id, changedAt);
    if (view.claiming.has(id)) next.lost = [...next.lost, id];
    take(id);
    if (wasThere) say("closed", { chat: id, by });
  };
  const flag = (room: WireChat["room"], severity: number, by: Staff | null) => {
    const chat = find(room.id);
    const place = placeOf(room.id);
    if (chat && place) put(place, draw(chat, chat, { severity }));
    const others = view.flagged.filter(({ id }) => id !== room.id);
    const known = chat?.view ?? view.flagged.find(({ id }) => id === room.id);
    const visitor = known?.visitor ?? ({ id: room.visitor_id, name: "" } as Chat["visitor"]);
    const fields = known ?? chatOf(room, visitor, null, "claimed");
    const { id, staff, status, tags, createdAt } = fields;
    const flagged: Chat = Object.freeze({ id, visitor, staff, status, tags, createdAt, severity });
    view.flagged = Object.freeze((severity > 0 ? [flagged, ...others] : others).slice(0, 15));
    say("flagged", { chat: room.id, severity, by });
  };
  return {
    ...{ next, view, say, find, message, draw, meet, take, put, placeOf, held, add, renewed },
    ...{ bury, isPast, leaveQueue, end, flag },
    asQueued: (chat: StaffHeld<C>) => chat.view as QueuedChat<C>,
  };
}
