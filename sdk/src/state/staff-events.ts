import type { Visitor } from "../wire.ts";
import type { Payload } from "./convert.ts";
import { share } from "./share.ts";
import { type Edit, WINDOW } from "./staff-edit.ts";
import { renewStaff } from "./staff-snapshot.ts";

type Change = <C>(edit: Edit<C>, payload: Payload & { user: never }) => void;

const written: Change = (edit, { room, user, message, visitor }) => {
  const { next, find, placeOf, put, add, held, meet, isPast } = edit;
  const byVisitor = message.sender === null;
  if (!byVisitor) meet(user);
  const place = placeOf(room.id);
  const chat = find(room.id);
  if (place && chat) put(place, add(chat, [message]));
  else if (!isPast(room) && (byVisitor || next.user !== message.sender)) {
    // The event of the claim comes later, or was lost. Only the serving staff and monitors receive these.
    const staff = byVisitor ? null : user;
    const watches = next.watched !== null && visitor !== undefined;
    if (watches) put("watched", add(held({ room, user: visitor }, staff, "claimed"), [message]));
  }
};
const left: (by: "visitor" | "staff") => Change =
  (by) =>
  ({ next, end }, { room, user }) =>
    end(room.id, room.updated_at ?? 0, by === "staff" && (user as { id: string }).id === next.user ? "me" : by);
const online: (isOnline: boolean) => Change =
  (isOnline) =>
  ({ find, placeOf, put, draw, say }, { room, user }) => {
    const chat = find(room.id);
    const place = placeOf(room.id);
    if (chat && place) put(place, draw(chat, chat, { visitorOnline: isOnline }));
    say("presence", { user, online: isOnline });
  };
const present: (isOnline: boolean) => Change =
  (isOnline) =>
  ({ view, meet, say }, { user }) => {
    meet(user);
    const { id } = user as { id: string };
    const others = view.staffOnline.filter((one) => one.id !== id);
    if (isOnline || others.length < view.staffOnline.length)
      view.staffOnline = share(view.staffOnline, isOnline ? [...others, user] : others);
    say("presence", { user, online: isOnline });
  };

/** Each event of the protocol, and what it changes. */
export const staffChanges: { [event: string]: Change } = {
  staff_init: renewStaff as never,
  append_unclaimed_chats({ next, view, find, put, add, held, say, asQueued, isPast }, chat) {
    const { room, messages } = chat;
    const known = find(room.id);
    if (known || isPast(room)) {
      if (known?.view.status === "unclaimed") put("queue", add(known, messages));
      return;
    }
    const isWhole = next.queue.length === view.queueTotal;
    const added = add(held(chat, null, "unclaimed"), messages);
    view.queueTotal++;
    if (isWhole && next.queue.length < WINDOW) put("queue", added);
    say("queued", asQueued(added));
  },
  visitor_unclaimed_msg: written,
  visitor_leave_queue({ leaveQueue, take }, { room }) {
    leaveQueue(room.id, room.updated_at ?? 0, "left", null);
    take(room.id);
  },
  staff_claim_chat({ next, meet, leaveQueue, held, put, take, find, isPast }, { room, user, staff }) {
    const by = staff as never as Parameters<typeof leaveQueue>[3];
    const wasPast = isPast(room);
    meet(by as never);
    leaveQueue(room.id, room.updated_at ?? 0, "claimed", by);
    if (find(room.id)?.view.status === "claimed" || wasPast) return;
    const chat = held({ room, user }, by, "claimed");
    if (by?.id === next.user) put("mine", chat);
    else if (next.watched) put("watched", chat);
    else take(room.id);
  },
  agent_new_chat({ next, meet, find, held, add, put, isPast }, { room, user, visitor, messages }) {
    meet(user);
    const known = find(room.id);
    // The claim itself buries the queued chat; a later change buries the claimed one.
    if (!known && isPast(room) && next.past[room.id] !== room.updated_at) return;
    if (known?.view.status === "claimed" && known.changedAt > (room.updated_at ?? 0)) return;
    if (next.watched) put("watched", add(held({ room, user: visitor }, user, "claimed"), messages));
  },
  visitor_send({ next, find, placeOf, put, add, held, isPast, view }, { room, user, message }) {
    const [chat, place] = [find(room.id), placeOf(room.id)];
    if (chat && place) put(place, add(chat, [message]));
    // Only the serving staff member receives it.
    else if (!isPast(room) && !next.lost.includes(room.id))
      put("mine", add(held({ room, user }, view.me, "claimed"), [message]));
  },
  staff_send: written,
  new_visitor_msg_for_supervisor: (edit, payload) => written(edit, { ...payload, visitor: payload.user as Visitor }),
  new_staff_msg_for_supervisor: written,
  staff_leave: left("staff"),
  visitor_leave: left("visitor"),
  staff_leave_chat_for_supervisor: left("staff"),
  visitor_leave_chat_for_supervisor: left("visitor"),
  staff_being_taken_over_chat({ next, view, meet, held, put, take, bury, say }, { room, user, visitor }) {
    meet(user);
    if (view.claiming.has(room.id)) next.lost = [...next.lost, room.id];
    const chat = held({ room, user: visitor }, user, "claimed");
    // Events for the former staff member may come late.
    bury(room.id, room.updated_at ?? 0);
    if (next.watched) put("watched", chat);
    else take(room.id);
    say("takenOver", { chat: room.id, by: user });
  },
  staff_take_over_chat({ next, meet, find, draw, put, say }, { room, user }) {
    meet(user);
    const id = room as never as string;
    const chat = find(id);
    const { id: by } = user as { id: string };
    if (chat) put(by === next.user ? "mine" : "watched", draw(chat, chat, { staff: next.people[by] ?? null }));
    say("takenOver", { chat: id, by: user });
  },
  staff_goes_online: present(true),
  staff_goes_offline: present(false),
  visitor_goes_online: online(true),
  visitor_goes_offline: online(false),
  chat_has_changed_priority_for_supervisor({ meet, flag }, { room, user }) {
    meet(user);
    flag(room, room.severity_level, user);
  },
};
