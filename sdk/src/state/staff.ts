import type { Input } from "../link.ts";
import type { Chat, Log, StaffEvents, StaffState } from "../types.ts";
import type { ChatMessage, Staff } from "../wire.ts";
import { isMessage, type Payload, profileOf, type Read, type WireChat } from "./convert.ts";
import { somebody } from "./known.ts";
import { prepend } from "./log.ts";
import type { Say } from "./say.ts";
import { freezeAll, patch, share } from "./share.ts";
import { type StaffCore, startStaff } from "./staff-core.ts";
import { type Edit, editStaff, WINDOW } from "./staff-edit.ts";
import { staffChanges } from "./staff-events.ts";
import { setClock } from "./staff-snapshot.ts";
import { waitingAfter } from "./waiting.ts";

/** Applies a true ack: the acting connection receives no event. */
function acked<C>(edit: Edit<C>, { event, args, value: given, at }: Extract<Input, { kind: "ack" }>): void {
  const value = given as WireChat | null | undefined;
  const { view, receive, renewed, known, note, find, end, markFlag, settle, say } = edit;
  const { room: id, severity_level = 0 } = args[0] as { room: string; severity_level?: number };
  if (event === "staff_join" || event === "take_over_chat") {
    receive(
      id,
      { status: "claimed", by: view.me && profileOf(view.me), room: value?.room },
      value ?? undefined,
      view.me,
    );
    if (value?.messages) renewed(value);
  } else if (event === "staff_leave_room") end(id, "me");
  else if (event === "change_chat_priority") {
    // Rooms that are known already are older than this flag. Older servers don't say their time.
    const flaggedAt = value === null ? at + view.clockOffset : 0;
    note(id, patch(known(id), { severity: severity_level, changedAt: Math.max(known(id).changedAt + 1, flaggedAt) }));
    settle(id);
    const chat = find(id)?.view;
    markFlag({ id, visitor_id: chat?.visitor.id ?? "", created_at: chat?.createdAt ?? 0 }, undefined, true);
    say("flagged", { chat: id, severity: severity_level, by: view.me });
  }
}

function stored<C>(edit: Edit<C>, { value, at, isFresh }: Extract<Input, { kind: "stored" }>): void {
  if (!isMessage(value)) return;
  // Older servers don't say their time.
  if (isFresh && Math.abs(value.created_at - at - edit.view.clockOffset) > 2000) setClock(edit, value.created_at - at);
  edit.add(value.chat_id, [value]);
}

function listed<C>(edit: Edit<C>, { status, chats, isLast }: Extract<Input, { kind: "listed" }>): void {
  const { next, view, known, note, receive } = edit;
  const all = chats as (WireChat & { status: string; staff: Staff | null })[];
  for (const chat of all) {
    const { room, staff } = chat;
    const old = known(room.id);
    if (chat.status !== status || (status === "claimed" && (next.watched?.length ?? 0) >= WINDOW)) continue;
    if (status === "unclaimed" && old.status === status) note(room.id, patch(old, { isCounted: true }));
    if (old.by === somebody && old.status === "claimed") note(room.id, patch(old, { by: null }));
    edit.meet(staff);
    if (old.status === "unclaimed" || old.status === status)
      receive(room.id, { status, by: staff && profileOf(staff), room }, { ...chat, isListed: true });
  }
  if (!isLast) return;
  if (status === "unclaimed") {
    view.queueTotal = next.queue.length;
    return;
  }
  next.isListing = false;
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
    const { next, view, change, draw } = edit;
    next.waiting = waitingAfter(core.waiting, input, read, (message, failure) => say("failed", { message, failure }));
    const claimed = "event" in input && /^(staff_join|take_over_chat)$/.test(input.event) ? input.args[0] : null;
    const { room } = (claimed ?? {}) as { room?: string };

    if (input.kind === "connection") {
      view.connection = share(view.connection, input.connection);
      if (view.connection !== core.view.connection) say("connection", view.connection);
    } else if (input.kind === "event")
      staffChanges[input.name]?.(edit, { ...(input.payload as Payload), at: input.at } as never);
    else if (input.kind === "call" && room) view.claiming = new Set([...view.claiming, room]);
    else if (input.kind === "ack") acked(edit, input);
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

    const views = <V extends Chat & Log<C>>(name: "queue" | "mine" | "watched", before: readonly V[] | null) =>
      before && next[name] === core[name]
        ? before
        : Object.freeze((next[name] ?? []).map((held) => held.view as unknown as V));
    const lists: Partial<StaffState<C>> = {
      queue: views("queue", core.view.queue),
      mine: views("mine", core.view.mine),
      watched: !next.watched
        ? null
        : next.isListing
          ? "loading"
          : views("watched", core.view.watched === "loading" ? null : core.view.watched),
    };
    next.view = patch(core.view, { ...view, ...lists, outbox: next.waiting.length });
    return next;
  };
}
