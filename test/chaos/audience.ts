// Who is to hear of a row, and as which event, as the tables of docs/PROTOCOL.md have it.
import type { Chat, History, Row } from "./history.ts";
import type { User } from "./ledger.ts";

/** User → the event that tells him. Which of his connections acted is another matter. */
export type Audience = Map<string, string>;

export type Staff = { all: User[]; monitors: User[] };

export function staffByOrganisation({ users }: Pick<History, "users">): (organisation: string) => Staff {
  const known = new Map<string, Staff>();
  for (const user of users.values()) {
    if (user.role === 0) continue;
    const staff = known.get(user.organisation) ?? { all: [], monitors: [] };
    known.set(user.organisation, staff);
    staff.all.push(user);
    if (user.role < 3) staff.monitors.push(user);
  }
  return (organisation) => known.get(organisation) ?? { all: [], monitors: [] };
}

/** What a row of a chat is told as. A monitor who claims hears both of a claim's events only from others. */
export function audiencesOf(row: Row, chat: Pick<Chat, "visitor">, { all, monitors }: Staff): Audience[] {
  const { deed, servedBy, sender, byStaff } = row;
  const audience = (event: string, users: (string | null)[]): Audience =>
    new Map(users.filter((user) => user !== null).map((user) => [user, event]));
  const everybody = all.map(({ user }) => user);
  const monitorsBut = (...users: (string | null)[]) =>
    monitors.map(({ user }) => user).filter((user) => !users.includes(user));
  const { visitor } = chat;

  if (deed === "join") {
    return [
      audience("staff_claim_chat", everybody),
      audience("staff_join_room", [visitor]),
      audience("agent_new_chat", monitorsBut(sender)),
    ];
  }
  if (deed === "take over") {
    return [
      audience("staff_being_taken_over_chat", [servedBy, visitor]),
      audience("staff_take_over_chat", monitorsBut(servedBy)),
    ];
  }
  if (deed === "leave" && byStaff) {
    return [
      audience("staff_leave", [visitor, sender]),
      audience("staff_leave_chat_for_supervisor", monitorsBut(sender)),
    ];
  }
  if (deed === "leave") {
    if (servedBy === null) return [audience("visitor_leave_queue", [...everybody, visitor])];
    return [
      audience("visitor_leave", [servedBy, visitor]),
      audience("visitor_leave_chat_for_supervisor", monitorsBut(servedBy)),
    ];
  }
  if (byStaff) {
    return [audience("staff_send", [visitor, sender]), audience("new_staff_msg_for_supervisor", monitorsBut(sender))];
  }
  if (servedBy === null) {
    const event = row.number === 1 ? "append_unclaimed_chats" : "visitor_unclaimed_msg";
    return [audience(event, [...everybody, visitor])];
  }
  return [
    audience("visitor_send", [servedBy, visitor]),
    audience("new_visitor_msg_for_supervisor", monitorsBut(servedBy)),
  ];
}

const deedOf: Record<string, Row["deed"]> = {
  staff_claim_chat: "join",
  staff_join_room: "join",
  agent_new_chat: "join",
  staff_being_taken_over_chat: "take over",
  staff_take_over_chat: "take over",
  staff_leave: "leave",
  staff_leave_chat_for_supervisor: "leave",
  visitor_leave: "leave",
  visitor_leave_queue: "leave",
  visitor_leave_chat_for_supervisor: "leave",
};

/** Those rows that tell of a change, as an event names them: it has no number, but there is only one such in a chat. */
export function rowTold(event: string, about: string | undefined, chat: Chat, number?: number): Row | undefined {
  if (number !== undefined) return chat.rows[number - 1];
  const deed = deedOf[event];
  return chat.rows.find((row) => row.deed === deed && (deed !== "take over" || row.sender === about));
}

export const isOfDeed = (event: string): boolean => event in deedOf;
