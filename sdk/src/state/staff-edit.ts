import type { Chat, Id, Message, QueuedChat, StaffEvents, StaffState } from "../types.ts";
import type { ChatMessage, Room, SeenStaff, Staff, Visitor } from "../wire.ts";
import { messageOf, type People, profileOf, type Read, type WireChat } from "./convert.ts";
import { type Known, learn, type News, unknown } from "./known.ts";
import { arrivals, insert, type Rows, renew, show } from "./log.ts";
import type { Say } from "./say.ts";
import { patch, share } from "./share.ts";
import { byAge, findChat, type Place, places, type StaffCore, type StaffHeld, type StaffView } from "./staff-core.ts";

export type Edit<C> = ReturnType<typeof editStaff<C>>;
type Writable<T> = { -readonly [K in keyof T]: T[K] };
/** A chat in a payload. `isListed`: the chats of the queue before it are on the screen, or in the same list. */
type Source = { room: Room; user: Visitor; visitor_online?: boolean; isListed?: boolean };

/** The most chats that the screen has of the queue, and of other staff. */
export const WINDOW = 200;
const MAX_KNOWN = 1000;
const MAX_ROWS = 100;

/** The steps that change the screen of a staff member, on a copy of it. */
export function editStaff<C>(core: StaffCore<C>, read: Read<C>, say: Say<StaffEvents<C>>) {
  const next: Writable<StaffCore<C>> = { ...core };
  const view: Writable<StaffState<C>> = { ...core.view };

  const find = (id: Id) => findChat(next, id);
  const known = (id: Id): Known => next.known[id] ?? unknown;
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
  const note = (id: Id, now: Known) => {
    if (now === next.known[id]) return;
    const entries = Object.entries(next.known);
    // The oldest ones that aren't on the screen are forgotten.
    const kept = entries.length < 2 * MAX_KNOWN ? next.known : Object.fromEntries(entries.slice(-MAX_KNOWN));
    next.known = { ...kept, [id]: now };
  };

  /** Takes a chat off the screen. */
  const take = (id: Id) => {
    for (const place of places) {
      const list = next[place];
      if (list?.some((held) => held.view.id === id)) next[place] = list.filter((held) => held.view.id !== id);
    }
  };
  /** Puts a chat into its list, or in the place of its former self there. */
  const put = (place: Place, held: StaffHeld<C>) => {
    const list = next[place] ?? [];
    const at = list.findIndex((other) => other.view.id === held.view.id);
    if (at >= 0) {
      if (list[at] !== held) next[place] = list.with(at, held);
      return;
    }
    take(held.view.id);
    next[place] = [...(next[place] ?? []), held].sort(byAge);
  };
  const change = (id: Id | null, how: (held: StaffHeld<C>) => StaffHeld<C>) => {
    for (const place of places) {
      const held = next[place]?.find(({ view }) => view.id === id);
      if (held) put(place, how(held));
    }
  };

  /** The list that a chat belongs to, as far as it is known. */
  const placeOf = (id: Id): Place | null => {
    const { status, by } = known(id);
    if (status === "unclaimed") return "queue";
    if (status === "closed" || !by?.id) return null;
    return by.id === next.user ? "mine" : next.watched && "watched";
  };
  const start = (room: Room, user: Visitor): StaffHeld<C> => ({
    ...{ rows: [], floor: Number.POSITIVE_INFINITY, whole: 0, read: 0 },
    view: Object.freeze({
      ...{ id: room.id, visitor: share(undefined, user), staff: null, status: "unclaimed", severity: 0 },
      ...{ tags: Object.freeze([]), createdAt: room.created_at, visitorOnline: true },
      ...{ messages: Object.freeze([]), older: "some", unread: 0 },
    }),
  });
  /** Shows a chat where it belongs, with what is known of it. A chat from a payload comes on to the screen. */
  const settle = (id: Id, chat?: Source, rows?: (held: StaffHeld<C>, isNew: boolean) => Rows<C>): void => {
    const place = placeOf(id);
    const before = find(id);
    const isNext = chat?.isListed || next.queue.length >= view.queueTotal - 1;
    const hasRoom = place !== "queue" || (next.queue.length < WINDOW && isNext);
    if (!place || !(before || (chat && hasRoom))) {
      if (!place) take(id);
      return;
    }
    const { status, by, severity, rows: late } = known(id);
    const held = before ?? start((chat as Source).room, (chat as Source).user);
    const { waitingSince: _, ...shown } = held.view;
    const base = status === "unclaimed" || !("waitingSince" in held.view) ? held : { ...held, view: shown };
    const all = rows ? rows(base, !before) : base;
    const now = draw(base, late.length ? insert(all, late.map(message)) : all, {
      ...{ status, staff: by, severity },
      ...(chat && { visitor: chat.user, tags: chat.room.tags ?? [] }),
      ...(chat?.visitor_online !== undefined && { visitorOnline: chat.visitor_online }),
      ...(status === "unclaimed" && { waitingSince: held.view.createdAt - view.clockOffset }),
    });
    if (late.length) note(id, patch(known(id), { rows: unknown.rows }));
    if (before) for (const one of arrivals(before, now)) say("message", { chat: id, message: one });
    put(place, now);
  };
  /** Adds messages to a chat. They wait for the chat when it isn't on the screen. */
  const add = (id: Id, rows: readonly ChatMessage[]) => {
    if (find(id)) settle(id, undefined, (held) => insert(held, rows.map(message)));
    else if (known(id).status !== "closed")
      note(id, patch(known(id), { rows: [...known(id).rows, ...rows].slice(-MAX_ROWS) }));
  };
  /** A chat as snapshots and acks have it. */
  const renewed = (chat: WireChat & { isListed?: boolean }) => {
    const newest = chat.messages.map(message);
    const total = chat.messages_total ?? newest.at(-1)?.seq ?? 0;
    settle(chat.room.id, chat, (held, isNew) => renew(isNew ? null : held, newest, total));
  };

  /** Takes news about a chat, and shows what follows from them. */
  const receive = (id: Id, news: News, chat?: Source, who: Staff | null = null) => {
    const old = known(id);
    let now = learn(old, news);
    const leaves = old.status === "unclaimed" && now.status !== "unclaimed";
    if (leaves) {
      if (old.isCounted || next.queue.length < view.queueTotal) view.queueTotal--;
      now = patch(now, { isCounted: false });
      say("unqueued", { chat: id, why: now.status === "claimed" ? "claimed" : "left", by: who });
    }
    note(id, now);
    settle(id, chat);
    if (news.room) markFlag(news.room, chat?.user);
  };
  /** A chat is closed. */
  const end = (id: Id, by: "me" | "visitor" | "staff") => {
    const wasClaimed = known(id).status === "claimed";
    const wasThere = find(id) !== undefined;
    receive(id, { status: "closed" });
    if (wasClaimed && wasThere) say("closed", { chat: id, by });
  };
  /** Keeps the list of flagged chats; `isFirst` brings the chat to the front. */
  const markFlag = (room: Pick<Room, "id" | "created_at" | "visitor_id">, user?: Visitor, isFirst = false) => {
    const { id } = room;
    const { severity, status, by } = known(id);
    const former = view.flagged.find((one) => one.id === id);
    if (!severity && !former) return;
    const others = view.flagged.filter((one) => one !== former);
    const { visitor, tags, createdAt } = find(id)?.view ??
      former ?? {
        visitor: user ?? ({ id: room.visitor_id, name: "" } as Visitor),
        tags: [],
        createdAt: room.created_at,
      };
    const flagged: Chat = share(former, { id, visitor, staff: by, status, severity, tags, createdAt });
    const list =
      isFirst || !former ? [flagged, ...others] : view.flagged.map((one) => (one === former ? flagged : one));
    view.flagged = share(view.flagged, severity ? list.slice(0, 15) : others);
  };
  return {
    ...{ next, view, say, find, known, note, message, draw, meet, take, put, change, settle, add, renewed, receive },
    ...{ end, markFlag },
    asQueued: (chat: StaffHeld<C>) => chat.view as QueuedChat<C>,
  };
}
