import type { ChatMessage } from "../wire.ts";
import type { ChatView, Entry, Person, StoredChat } from "./model.ts";
import type { People } from "./people.ts";
import { FakeRefusal } from "./refusals.ts";
import type { Timers } from "./time.ts";

type Staff = Extract<Person, { kind: "staff" }>["user"];
type Content = ChatMessage["content"];
/** `entry` is null for a repeat, which changes nothing. */
export type Changed = { entry: Entry | null; message?: ChatMessage; chat?: StoredChat };

/** The chats, and every change of them. A change that the server would refuse throws a FakeRefusal. */
export interface Chats {
  all(): StoredChat[];
  get(id: string): StoredChat | undefined;
  openOf(visitorId: string): StoredChat | undefined;
  view(chat: StoredChat): ChatView;
  sendAsVisitor(visitorId: string, content: Content, id: string, mayOpen: boolean): Changed;
  sendAsStaff(staff: Staff, chatId: string, content: Content, id: string): Changed;
  claim(staff: Staff, chatId: string): Changed;
  takeOver(staff: Staff, chatId: string): Changed;
  leaveAsStaff(staff: Staff, chatId: string): Changed;
  leaveAsVisitor(visitorId: string): Changed;
  flag(staff: Staff, chatId: string, severity: number): Changed;
}

export function createChats({ now }: Timers, newId: () => string, people: People): Chats {
  const chats = new Map<string, StoredChat>();
  /** By sender and id. */
  const sent = new Map<string, ChatMessage>();

  const staffOf = (id: string) => people.get(id).user as Staff;
  const view = ({ room, visitorId, staffId, status }: StoredChat): ChatView => ({
    ...{ room, status, staff: staffId === null ? null : staffOf(staffId) },
    visitor: people.get(visitorId).user as ChatView["visitor"],
  });
  const find = (id: string) => {
    const chat = chats.get(id);
    if (!chat) throw new FakeRefusal("roomClosed");
    return chat;
  };
  const all = () => [...chats.values()];
  const openOf = (visitorId: string) => all().find((chat) => chat.visitorId === visitorId && chat.status !== "closed");

  function append(chat: StoredChat, type: 0 | 1, sender: string | null, content: Content, id = newId()): ChatMessage {
    const message: ChatMessage = Object.freeze({
      ...{ id, chat_id: chat.room.id, sequence_num: chat.log.length + 1, type_id: type, sender, content },
      ...{ created_at: now(), updated_at: null },
    });
    chat.log.push(message);
    return message;
  }
  /** Two changes of a chat never have the same time, as good as never on a real server. */
  const later = ({ room }: StoredChat) => Math.max(now(), (room.updated_at ?? 0) + 1);
  function change(chat: StoredChat, fields: Partial<StoredChat>, sender: string | null, text: string): number {
    Object.assign(chat, fields, { room: { ...chat.room, updated_at: later(chat) } });
    return append(chat, 0, sender, { content: text }).sequence_num;
  }
  function store(chat: StoredChat, senderId: string, content: Content, id: string): Changed {
    const isStaff = senderId !== chat.visitorId;
    const message = append(chat, 1, isStaff ? senderId : null, content, id);
    sent.set(`${senderId}/${id}`, message);
    return { message, entry: { kind: "message", chat: view(chat), number: message.sequence_num, message } };
  }
  const close = (chat: StoredChat, by: string, sender: string | null) =>
    change(chat, { status: "closed", closedBy: by, closedAt: now() }, sender, "leave room");

  return {
    ...{ all, openOf, view, get: (id) => chats.get(id) },
    sendAsVisitor(visitorId, content, id, mayOpen) {
      const earlier = sent.get(`${visitorId}/${id}`);
      if (earlier) return { entry: null, message: earlier };
      const open = openOf(visitorId);
      if (open) return store(open, visitorId, content, id);
      if (!mayOpen) throw new FakeRefusal("roomClosed");
      const [chatId, at] = [newId(), now()];
      const chat: StoredChat = {
        room: { id: chatId, visitor_id: visitorId, tags: [], severity_level: 0, created_at: at, updated_at: null },
        ...{ visitorId, staffId: null, status: "unclaimed", claimedBy: null, closedBy: null },
        ...{ claimedAt: null, closedAt: null, flaggedAt: 0, log: [] },
      };
      chats.set(chatId, chat);
      return store(chat, visitorId, content, id);
    },
    sendAsStaff(staff, chatId, content, id) {
      const earlier = sent.get(`${staff.id}/${id}`);
      if (earlier && earlier.chat_id !== chatId) throw new FakeRefusal("messageIdUsed");
      if (earlier) return { entry: null, message: earlier };
      const chat = find(chatId);
      if (chat.status === "closed") throw new FakeRefusal("roomClosed");
      if (chat.staffId !== staff.id) throw new FakeRefusal("notServing", { by: view(chat).staff });
      return store(chat, staff.id, content, id);
    },
    claim(staff, chatId) {
      const chat = find(chatId);
      if (chat.status === "closed") throw new FakeRefusal("roomClosed");
      if (chat.status === "claimed" && chat.staffId === staff.id) return { entry: null, chat };
      if (chat.status === "claimed") throw new FakeRefusal("alreadyClaimed", { by: view(chat).staff });
      const messages = chat.log.filter(({ type_id }) => type_id === 1).slice(-100);
      const fields: Partial<StoredChat> = {
        ...{ status: "claimed", staffId: staff.id, claimedBy: staff.id, claimedAt: now() },
      };
      const number = change(chat, fields, staff.id, "join room");
      return { chat, entry: { kind: "claimed", chat: view(chat), number, messages } };
    },
    takeOver(staff, chatId) {
      const chat = find(chatId);
      if (chat.status === "closed") throw new FakeRefusal("roomClosed");
      if (chat.staffId === null) throw new FakeRefusal("notClaimed");
      const last = chat.log.filter(({ type_id }) => type_id === 0).at(-1);
      const isRepeat = chat.claimedBy !== staff.id || last?.content.content === "take over room";
      if (chat.staffId === staff.id && isRepeat) return { entry: null, chat };
      const from = staffOf(chat.staffId);
      if (from.role_id <= staff.role_id) throw new FakeRefusal("notLowerRole", { by: from });
      const number = change(chat, { staffId: staff.id }, staff.id, "take over room");
      return { chat, entry: { kind: "takenOver", chat: view(chat), number, from } };
    },
    leaveAsStaff(staff, chatId) {
      const chat = find(chatId);
      if (chat.status === "closed" && chat.closedBy === staff.id) return { entry: null };
      if (chat.status === "closed") throw new FakeRefusal("roomClosed");
      if (chat.staffId !== staff.id) throw new FakeRefusal("notServing", { by: view(chat).staff });
      return { entry: { kind: "staffLeft", number: close(chat, staff.id, staff.id), chat: view(chat) } };
    },
    leaveAsVisitor(visitorId) {
      const chat = openOf(visitorId);
      if (!chat) return { entry: null };
      return { entry: { kind: "visitorLeft", number: close(chat, visitorId, null), chat: view(chat) } };
    },
    flag(staff, chatId, severity) {
      const chat = find(chatId);
      chat.room = { ...chat.room, severity_level: severity, updated_at: later(chat) };
      chat.flaggedAt = now();
      return { entry: { kind: "flagged", chat: view(chat), number: null, by: staff } };
    },
  };
}
