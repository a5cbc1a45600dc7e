import type { Input } from "../link.ts";
import type { Chat, Id, Log, VisitorEvents, VisitorState } from "../types.ts";
import type { ChatMessage, ChatStatus, Room, StaffProfile, Visitor } from "../wire.ts";
import type { Read } from "./convert.ts";
import { chatOf, isMessage, messageOf, type Payload, type People, profileOf } from "./convert.ts";
import { arrivals, type Held, insert, prepend, type Rows, renew, show } from "./log.ts";
import type { Say } from "./say.ts";
import { freezeAll, patch, share } from "./share.ts";
import { type Waiting, waitingAfter } from "./waiting.ts";

type View<C> = Chat & Log<C>;
export interface VisitorCore<C> {
  readonly view: VisitorState<C>;
  readonly owner: string;
  /** Whether the first snapshot is in it. */
  readonly isReady: boolean;
  readonly held: Held<C> | null;
  readonly waiting: readonly Waiting<C>[];
  readonly people: People;
  /** The closed chats, at most the last 50: an event of theirs that comes late opens nothing. */
  readonly over: readonly Id[];
}

const nobody: Visitor = Object.freeze({
  ...{ id: "", name: "", email: null, is_anonymous: true, disabled: false, created_at: 0, updated_at: null },
});
const nothing = { rows: Object.freeze([]), whole: 0 };
const emptyLog = { messages: Object.freeze([]), older: "none", unread: 0 } as const;

export const startVisitor = <C>(): VisitorCore<C> => ({
  view: Object.freeze({
    ...{ connection: Object.freeze({ state: "idle" }), me: null, chat: null, phase: "none", staff: null },
    ...{ outbox: 0, draft: "" },
  }) as VisitorState<C>,
  ...{ owner: "", isReady: false, held: null, waiting: Object.freeze([]), people: {}, over: [] },
});

const phases = { unclaimed: "queued", claimed: "served", closed: "closed" } as const;

/** The reducer of a visitor's screen. */
export function visitorReducer<C>(read: Read<C>) {
  return (core: VisitorCore<C>, input: Input, say: Say<VisitorEvents<C>>): VisitorCore<C> => {
    let { held, waiting, people, isReady, over } = core;
    let { me, draft, connection } = core.view;
    const draw = (before: Held<C>, rows: Rows<C> = before, changes: Partial<View<C>> = {}, upTo = before.read) =>
      show(
        before,
        rows,
        waiting.map(({ message }) => message),
        changes,
        upTo,
      );
    const message = (row: ChatMessage) =>
      messageOf(row, read, null, people, (failed, failure) => say("failed", { message: failed, failure }));
    const meets = (staff: StaffProfile) => (people = patch(people, { [staff.id]: share(people[staff.id], staff) }));

    const open = (room: Room, staff: StaffProfile | null, status: ChatStatus): Held<C> => {
      const view = share(undefined, { ...chatOf(room, me ?? nobody, staff, status), ...emptyLog }) as View<C>;
      return {
        view,
        ...nothing,
        floor: room.id ? Number.POSITIVE_INFINITY : 1,
        read: 0,
      };
    };
    const end = (by: "me" | "staff" | null) => {
      if (!held?.view.id || held.view.status === "closed") return;
      over = [...over.slice(-49), held.view.id];
      held = draw(held, held, { status: "closed" });
      say("closed", { chat: held.view.id, by });
    };
    /** Puts the room's chat on the screen. Answers false for an older chat than the one there. */
    const enter = (room: Room): boolean => {
      if (held?.view.id === room.id) return true;
      if ((held && held.view.id > room.id) || over.includes(room.id)) return false;
      end(null);
      held = open(room, null, "unclaimed");
      return true;
    };
    /** Only a higher role takes a chat over: an event of a lower one is older than the screen. */
    const serve = (staff: StaffProfile) => {
      const former = held?.view.staff;
      if (!held || (former && former.role_id <= staff.role_id)) return;
      const isOver = held.view.status === "closed";
      held = draw(held, held, isOver ? { staff } : { staff, status: "claimed" });
      if (!isOver) say("served", { chat: held.view.id, staff });
    };
    const add = (rows: Rows<C>, isKnown = true) => {
      const before = held as Held<C>;
      held = draw(before, rows);
      if (isKnown) for (const one of arrivals(before, held)) say("message", { chat: before.view.id, message: one });
    };
    const live = (...rows: ChatMessage[]) => held && add(insert(held, rows.map(message)));

    const event = (name: string, payload: Payload) => {
      const { room, user } = payload;
      if (name === "visitor_init") {
        me = share(me, user);
        isReady = true;
        if (!room) return end(null);
        const staff = payload.staff ? profileOf(payload.staff) : null;
        if (staff) meets(staff);
        const isKnown = held?.view.id === room.id;
        const wasServedBy = held?.view.staff?.id;
        if (!isKnown) {
          end(null);
          held = open(room, staff, "unclaimed");
        }
        const newest = payload.messages.map(message);
        const before = held as Held<C>;
        add(renew(isKnown ? before : null, newest, payload.messages_total ?? newest.at(-1)?.seq ?? 0), isKnown);
        const fields = { visitor: me, staff: share(before.view.staff, staff), status: staff ? "claimed" : "unclaimed" };
        held = draw(held as Held<C>, held as Held<C>, fields as Partial<View<C>>);
        if (staff && isKnown && wasServedBy !== staff.id) say("served", { chat: room.id, staff });
      } else if (/^(append_unclaimed_chats|visitor_unclaimed_msg|visitor_send)$/.test(name)) {
        if (enter(room)) live(...(payload.messages ?? [payload.message]));
      } else if (name === "staff_send") {
        const staff = profileOf(user as never);
        meets(staff);
        if (!enter(room)) return;
        serve(staff);
        live(payload.message);
      } else if (/^staff_(join_room|being_taken_over_chat)$/.test(name)) {
        const staff = profileOf(user as never);
        meets(staff);
        if (enter(room)) serve(staff);
      } else if (/^(staff|visitor)_leave/.test(name)) {
        if (held?.view.id === room.id) end(name === "staff_leave" ? "staff" : "me");
        else over = [...over.slice(-49), room.id];
      }
    };

    waiting = waitingAfter(waiting, input, read, (failed, failure) => say("failed", { message: failed, failure }));
    switch (input.kind) {
      case "state": {
        const next = freezeAll(input.state as VisitorCore<C>);
        if (share(connection, next.view.connection) !== connection) say("connection", next.view.connection);
        return next;
      }
      case "owner":
        if (core.owner && core.owner !== input.owner)
          return { ...startVisitor<C>(), owner: input.owner, view: patch(startVisitor<C>().view, { connection }) };
        return { ...core, owner: input.owner };
      case "connection":
        connection = share(connection, input.connection);
        if (connection !== core.view.connection) say("connection", connection);
        break;
      case "event":
        event(input.name, input.payload as Payload);
        break;
      case "ack":
        if (input.event === "visitor_leave_room") end("me");
        break;
      case "stored": {
        // The outbox of another user, who was signed in before.
        if (input.entry.owner !== core.owner) break;
        const row = input.value;
        if (!isMessage(row)) break;
        const room = { id: row.chat_id, created_at: row.created_at } as Room;
        if (enter(room)) live(row);
        break;
      }
      case "storage":
        say("storage", input.failure);
        break;
      case "draft":
        draft = input.text;
        break;
      case "read":
        if (held) held = draw(held, held, {}, Math.max(held.read, input.upTo ?? held.rows.at(-1)?.seq ?? 0));
        break;
      case "ending": {
        if (held?.view.id !== input.chat) break;
        const staff = input.staff ? profileOf(input.staff as StaffProfile) : held.view.staff;
        if (staff) meets(staff);
        live(...(input.messages as ChatMessage[]));
        held = patch(draw(held, held, { staff: share(held.view.staff, staff) }), { hasEnding: true });
        break;
      }
      case "older": {
        if (held?.view.id !== input.chat) break;
        const { page } = input;
        if (typeof page === "string") held = draw(held, held, { older: page });
        else {
          const rows = prepend(held, (page.messages as ChatMessage[]).map(message), page.before) ?? held;
          held = draw(held, rows, { older: rows.floor > 1 ? "some" : "none" });
        }
        break;
      }
    }

    if (!held && waiting.length > 0) held = open({ id: "", created_at: 0 } as Room, null, "unclaimed");
    else if (held?.view.id === "" && waiting.length === 0) held = null;
    const id = held?.view.id ?? "";
    if (waiting.some((one) => one.message.chatId !== id))
      waiting = waiting.map(({ entry, message }) => ({ entry, message: Object.freeze({ ...message, chatId: id }) }));
    if (held) held = draw(held);
    const view = patch(core.view, {
      ...{ connection, me, draft, outbox: waiting.length, chat: held?.view ?? null, staff: held?.view.staff ?? null },
      phase: held && id ? phases[held.view.status] : "none",
    });
    return { ...core, view, held, waiting, people, isReady, over };
  };
}
