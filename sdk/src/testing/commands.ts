import type { Changed, Chats } from "./chats.ts";
import { checkContent } from "./content.ts";
import { isMonitor, type Person } from "./model.ts";
import { FakeRefusal } from "./refusals.ts";

type From = "staff" | "monitor" | "visitor";
const senders: Record<string, From> = {
  staff_join: "staff",
  staff_msg: "staff",
  staff_leave_room: "staff",
  take_over_chat: "monitor",
  change_chat_priority: "staff",
  visitor_first_msg: "visitor",
  visitor_msg_unclaimed: "visitor",
  visitor_msg: "visitor",
  visitor_leave_room: "visitor",
};

const ID = /^[0-9a-f]{32}$/;
const MESSAGE_ID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;
type Data = Record<string, unknown>;

/** Handles one event of a user, and answers what it changed. A refused event throws a FakeRefusal. */
export type Command = (person: Person, event: string, args: readonly unknown[]) => Changed & { gaveId: boolean };

export function createCommands(chats: Chats, newId: () => string, maxBytes: number): Command {
  const idOf = (given: unknown) => (given === undefined ? newId() : String(given).replaceAll("-", "").toLowerCase());

  return (person, event, [first, second]) => {
    const from = Object.hasOwn(senders, event) ? senders[event] : undefined;
    if (!from) throw new FakeRefusal("unknownEvent");
    if (person.kind === "visitor") {
      if (from !== "visitor") throw new FakeRefusal("staffOnly");
      const visitorId = person.user.id;
      if (event === "visitor_leave_room") return { ...chats.leaveAsVisitor(visitorId), gaveId: false };
      checkContent(first, maxBytes);
      const id = checkOptions(second);
      const changed = chats.sendAsVisitor(visitorId, first, idOf(id), event === "visitor_first_msg");
      return { ...changed, gaveId: id !== undefined };
    }
    if (from === "visitor") throw new FakeRefusal("visitorOnly");
    const { user } = person;
    if (from === "monitor" && !isMonitor(user)) throw new FakeRefusal("monitorOnly");
    const { room, content, id, severity_level: severity } = checkData(event, first);
    switch (event) {
      case "staff_msg":
        checkContent(content, maxBytes);
        return { ...chats.sendAsStaff(user, room, content, idOf(id)), gaveId: id !== undefined };
      case "staff_join":
        return { ...chats.claim(user, room), gaveId: false };
      case "take_over_chat":
        return { ...chats.takeOver(user, room), gaveId: false };
      case "staff_leave_room":
        return { ...chats.leaveAsStaff(user, room), gaveId: false };
      default:
        return { ...chats.flag(user, room, severity), gaveId: false };
    }
  };
}

const isObject = (value: unknown): value is Data =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);

function checkOptions(second: unknown): unknown {
  if (second === undefined || second === null) return undefined;
  if (!isObject(second)) throw new FakeRefusal("invalidOptions");
  checkId(second.id);
  return second.id;
}

function checkId(id: unknown): void {
  if (id === undefined) return;
  if (typeof id !== "string" || !MESSAGE_ID.test(id)) throw new FakeRefusal("invalidMessageId");
}

function checkData(event: string, data: unknown) {
  if (!isObject(data)) throw new FakeRefusal("invalidData");
  const { room, content, id, severity_level: severity = 0 } = data;
  if (typeof room !== "string") throw new FakeRefusal("invalidRoom");
  // A text of another form is no chat's id.
  if (!ID.test(room)) throw new FakeRefusal("roomClosed");
  if (event === "staff_msg") {
    if (!isObject(content) || Object.keys(content).length === 0) throw new FakeRefusal("contentNotObject");
    checkId(id);
  }
  const isLevel = Number.isInteger(severity) && Number(severity) >= 0 && Number(severity) <= 32_767;
  if (event === "change_chat_priority" && !isLevel) throw new FakeRefusal("invalidSeverity");
  return { room, content, id, severity_level: Number(severity) };
}
