import type { ChatMessage, Staff } from "../wire.ts";
import { type Payload, profileOf } from "./convert.ts";
import { patch, share } from "./share.ts";
import type { Edit } from "./staff-edit.ts";
import { renewStaff } from "./staff-snapshot.ts";

type Change = <C>(edit: Edit<C>, payload: Payload & { user: never }) => void;

/** A message in a claimed chat: its sender, or the receiver of a visitor's message, serves the chat. */
const written =
  (isWatched: boolean): Change =>
  ({ receive, add, meet, view, next }, { room, user, message, visitor }) => {
    const isByVisitor = message.sender === null;
    if (!isByVisitor) meet(user);
    const by = isByVisitor ? (isWatched ? null : view.me) : (user as Staff);
    const whose = isByVisitor ? user : visitor;
    // The event of the claim comes later, or was lost.
    if (by?.id === next.user || isWatched || !isByVisitor)
      receive(room.id, { status: "claimed", by: by && profileOf(by), room }, whose && { room, user: whose });
    add(room.id, [message]);
  };
const left =
  (by: "visitor" | "staff"): Change =>
  ({ next, end, markFlag }, { room, user }) => {
    end(room.id, by === "staff" && (user as Staff).id === next.user ? "me" : by);
    markFlag(room);
  };
const online =
  (isOnline: boolean): Change =>
  ({ change, draw, say }, { room, user }) => {
    change(room.id, (chat) => draw(chat, chat, { visitorOnline: isOnline }));
    say("presence", { user, online: isOnline });
  };
const present =
  (isOnline: boolean): Change =>
  ({ view, meet, say }, { user }) => {
    meet(user);
    const { id } = user as Staff;
    const others = view.staffOnline.filter((one) => one.id !== id);
    if (isOnline || others.length < view.staffOnline.length)
      view.staffOnline = share(view.staffOnline, isOnline ? [...others, user] : others);
    say("presence", { user, online: isOnline });
  };
const served: Change = ({ meet, receive, add }, { room, user, visitor, messages }) => {
  meet(user);
  receive(room.id, { status: "claimed", by: profileOf(user), room }, { room, user: visitor }, user);
  if (messages) add(room.id, messages);
};

/** Each event of the protocol, and what it changes. */
export const staffChanges: { [event: string]: Change } = {
  staff_init: renewStaff as never,
  append_unclaimed_chats({ view, known, note, receive, add, find, say, asQueued }, chat) {
    const { room, messages } = chat;
    const { status, isCounted } = known(room.id);
    const isNew = status === "unclaimed" && !isCounted;
    if (isNew) {
      note(room.id, patch(known(room.id), { isCounted: true }));
      view.queueTotal++;
    }
    receive(room.id, { status: "unclaimed", room }, chat);
    add(room.id, messages);
    const queued = find(room.id);
    if (isNew && queued) say("queued", asQueued(queued));
  },
  visitor_unclaimed_msg: ({ add }, { room, message }: { room: { id: string }; message: ChatMessage }) =>
    add(room.id, [message]),
  visitor_leave_queue: ({ receive }, { room }) => receive(room.id, { status: "closed", room }),
  visitor_identified: ({ change, draw }, { room, user }) =>
    change(room.id, (chat) => draw(chat, chat, { visitor: user })),
  staff_claim_chat({ meet, receive }, { room, user, staff }) {
    meet(staff as Staff);
    receive(room.id, { status: "claimed", by: profileOf(staff as Staff), room }, { room, user }, staff as Staff);
  },
  agent_new_chat: served,
  visitor_send: written(false),
  staff_send: written(false),
  new_visitor_msg_for_supervisor: written(true),
  new_staff_msg_for_supervisor: written(true),
  staff_leave: left("staff"),
  visitor_leave: left("visitor"),
  staff_leave_chat_for_supervisor: left("staff"),
  visitor_leave_chat_for_supervisor: left("visitor"),
  staff_being_taken_over_chat(edit, payload) {
    served(edit, payload);
    edit.say("takenOver", { chat: payload.room.id, by: payload.user });
  },
  staff_take_over_chat({ meet, receive, say }, { room, user }) {
    meet(user);
    const id = room as never as string;
    receive(id, { status: "claimed", by: profileOf(user) });
    say("takenOver", { chat: id, by: user });
  },
  staff_goes_online: present(true),
  staff_goes_offline: present(false),
  visitor_goes_online: online(true),
  visitor_goes_offline: online(false),
  chat_has_changed_priority_for_supervisor({ meet, receive, known, markFlag, say }, { room, user }) {
    meet(user);
    const { status } = known(room.id);
    receive(room.id, { status, room });
    markFlag(room, undefined, room.updated_at === known(room.id).changedAt);
    say("flagged", { chat: room.id, severity: room.severity_level, by: user });
  },
};
