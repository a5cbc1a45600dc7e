import type { Input } from "../link.ts";
import type { Chat, Log, StaffEvents, StaffState } from "../types.ts";
import type { ChatMessage } from "../wire.ts";
import { isMessage, type Payload, type Read, type WireChat } from "./convert.ts";
import { prepend } from "./log.ts";
import type { Say } from "./say.ts";
import { freezeAll, patch, share } from "./share.ts";
import { type StaffCore, type StaffHeld, startStaff } from "./staff-core.ts";
import { type Edit, editStaff, WINDOW } from "./staff-edit.ts";
import { staffChanges } from "./staff-events.ts";
import { setClock } from "./staff-snapshot.ts";
import { waitingAfter } from "./waiting.ts";

/** Applies a true ack: the acting connection receives no event. */
function acked<C>(edit: Edit<C>, event: string, args: readonly unknown[], value: WireChat | null): void {
  const { next, view, find, held, renewed, put, placeOf, leaveQueue, end, flag, bury } = edit;
  const { room: id, severity_level = 0 } = args[0] as { room: string; severity_level?: number };
  const chat = find(id);
  const room = value?.room ?? roomOf(id, chat);
  if (event === "staff_join" || event === "take_over_chat") {
    if (chat?.view.status !== "claimed" && event === "staff_join")
      leaveQueue(id, room.updated_at ?? 0, "claimed", view.me);
    if (next.lost.includes(id)) {
      if (placeOf(id) === "queue") edit.take(id);
      return;
    }
    bury(id, room.updated_at ?? 0);
    if (value?.messages) put("mine", renewed(value, view.me, "claimed"));
    else if (chat) put("mine", held({ room, user: chat.view.visitor }, view.me, "claimed"));
  } else if (event === "staff_leave_room") end(id, room.updated_at ?? 0, "me");
  else if (event === "change_chat_priority") flag(room, severity_level, view.me);
}
const roomOf = <C>(id: string, chat: StaffHeld<C> | undefined) => ({
  ...{ id, visitor_id: chat?.view.visitor.id ?? "", tags: chat?.view.tags ?? [] },
  ...{ severity_level: chat?.view.severity ?? 0, created_at: chat?.view.createdAt ?? 0 },
  updated_at: chat?.changedAt ?? null,
});

function stored<C>(edit: Edit<C>, { value, at, isFresh }: Extract<Input, { kind: "stored" }>): void {
  if (!isMessage(value)) return;
  const { find, placeOf, put, add, view } = edit;
  // Older servers don't say their time.
  if (isFresh && Math.abs(value.created_at - at - view.clockOffset) > 2000) setClock(edit, value.created_at - at);
  const [chat, place] = [find(value.chat_id), placeOf(value.chat_id)];
  if (chat && place) put(place, add(chat, [value]));
}

function listed<C>(edit: Edit<C>, { status, chats, isLast }: Extract<Input, { kind: "listed" }>): void {
  const { next, view, find, held, put, isPast } = edit;
  for (const chat of chats as (WireChat & { status: string })[]) {
    if (chat.status !== status || find(chat.room.id) || isPast(chat.room)) continue;
    const place = status === "unclaimed" ? "queue" : "watched";
    const isRoom = (next[place]?.length ?? WINDOW) < WINDOW;
    if (isRoom && chat.staff?.id !== next.user) put(place, held(chat, (chat.staff ?? null) as never, status));
  }
  if (!isLast) return;
  if (status === "unclaimed") view.queueTotal = next.queue.length;
  else next.isListing = false;
}

/** The reducer of a staff member's screen. */
export function staffReducer<C>(read: Read<C>) {
  return (core: StaffCore<C>, input: Input, say: Say<StaffEvents<C>>): StaffCore<C> => {
    if (input.kind === "state") {
      const next = freezeAll(input.state as StaffCore<C>);
      const { connection } = next.view;
      if (share(core.view.connection, connection) !== core.view.connection) say("connection", connection);
      return next;
    }
    if (input.kind === "owner") {
      const { owner, user } = input;
      if (core.owner === owner || !core.owner) return { ...core, owner, user };
      const fresh = startStaff<C>();
      return { ...fresh, owner, user, view: patch(fresh.view, { connection: core.view.connection }) };
    }
    if (input.kind === "stored" && input.entry.owner !== core.owner) return core;
    const edit = editStaff(core, read, say);
    const { next, view, find, placeOf, put, draw } = edit;
    next.waiting = waitingAfter(core.waiting, input, read, (message, failure) => say("failed", { message, failure }));
    const claimed = "event" in input && /^(staff_join|take_over_chat)$/.test(input.event) ? input.args[0] : null;
    const { room } = (claimed ?? {}) as { room?: string };
    const change = (id: string | null, how: (held: StaffHeld<C>) => StaffHeld<C>) => {
      const [held, place] = [find(id ?? ""), placeOf(id ?? "")];
      if (held && place) put(place, how(held));
    };

    if (input.kind === "connection") {
      view.connection = share(view.connection, input.connection);
      if (view.connection !== core.view.connection) say("connection", view.connection);
    } else if (input.kind === "event")
      staffChanges[input.name]?.(edit, { ...(input.payload as Payload), at: input.at } as never);
    else if (input.kind === "call" && room) {
      view.claiming = new Set([...view.claiming, room]);
      next.lost = next.lost.filter((id) => id !== room);
    } else if (input.kind === "ack") acked(edit, input.event, input.args, input.value as WireChat | null);
    else if (input.kind === "stored") stored(edit, input);
    else if (input.kind === "entry") change(input.entry.chatId, (held) => draw(held));
    else if (input.kind === "dropped")
      change(core.waiting.find(({ entry }) => entry.key === input.key)?.entry.chatId ?? null, (held) => draw(held));
    else if (input.kind === "storage") say("storage", input.failure);
    else if (input.kind === "draft" && input.chat) {
      const drafts = new Map(view.drafts);
      if (input.text) drafts.set(input.chat, input.text);
      else drafts.delete(input.chat);
      view.drafts = drafts;
    } else if (input.kind === "read")
      change(input.chat, (held) => draw(held, held, {}, Math.max(held.read, input.upTo ?? held.rows.at(-1)?.seq ?? 0)));
    else if (input.kind === "listed") listed(edit, input);
    else if (input.kind === "older") {
      const { page } = input;
      change(input.chat, (held) => {
        if (typeof page === "string") return draw(held, held, { older: page });
        const rows = prepend(held, (page.messages as ChatMessage[]).map(edit.message), page.before) ?? held;
        return draw(held, rows, { older: rows.floor > 1 ? "some" : "none" });
      });
    }
    if ((input.kind === "ack" || input.kind === "refused") && room)
      view.claiming = new Set([...view.claiming].filter((id) => id !== room));

    const views = <V extends Chat & Log<C>>(name: "queue" | "mine" | "watched", before: readonly V[]) =>
      next[name] === core[name] ? before : Object.freeze((next[name] ?? []).map((held) => held.view as unknown as V));
    const lists: Partial<StaffState<C>> = {
      queue: views("queue", core.view.queue),
      mine: views("mine", core.view.mine),
      watched: !next.watched
        ? null
        : next.isListing
          ? "loading"
          : views("watched", typeof core.view.watched === "object" ? (core.view.watched ?? []) : []),
    };
    next.view = patch(core.view, { ...view, ...lists, outbox: next.waiting.length });
    return next;
  };
}
