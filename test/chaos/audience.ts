// Which users receive a row, and as which event: the tables of docs/PROTOCOL.md, written without a look at the product.
// audience.test.ts compares them with the product's own table.
import type { Chat, Flag, History, Row, RowKind } from "./history.ts";
import type { User } from "./ledger.ts";

/** User → the event that they receive. The connection that acted doesn't receive it. */
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

type AnyRow = Pick<Row, "kind" | "number" | "sender" | "servedBefore"> | Pick<Flag, "kind">;

const audience = (event: string, users: (string | null)[]): Audience =>
  new Map(users.filter((user) => user !== null).map((user) => [user, event]));

/** The events that a row of a conversation, or of the internal log, is delivered as. */
export function audiencesOf(row: AnyRow, { visitor }: Pick<Chat, "visitor">, { all, monitors }: Staff): Audience[] {
  if (row.kind === "flagged") return [audience(FLAG_EVENT, idsOf(monitors))];
  const { kind, number, sender, servedBefore } = row;
  const everybody = idsOf(all);
  const monitorsBut = (...users: (string | null)[]) => idsOf(monitors).filter((user) => !users.includes(user));

  switch (kind) {
    case "claimed":
      return [
        audience("staff_claim_chat", everybody),
        audience("staff_join_room", [visitor]),
        audience("agent_new_chat", monitorsBut(sender)),
      ];
    case "takenOver":
      return [
        audience("staff_being_taken_over_chat", [servedBefore, visitor]),
        audience("staff_take_over_chat", monitorsBut(servedBefore)),
      ];
    case "staffLeft":
      return [
        audience("staff_leave", [visitor, sender]),
        audience("staff_leave_chat_for_supervisor", monitorsBut(sender)),
      ];
    case "visitorLeft":
      if (servedBefore === null) return [audience("visitor_leave_queue", [...everybody, visitor])];
      return [
        audience("visitor_leave", [servedBefore, visitor]),
        audience("visitor_leave_chat_for_supervisor", monitorsBut(servedBefore)),
      ];
    case "visitorIdentified":
      if (servedBefore === null) return [audience("visitor_identified", everybody)];
      return [audience("visitor_identified", [servedBefore, ...monitorsBut(servedBefore)])];
    case "message":
      if (sender !== visitor) {
        return [
          audience("staff_send", [visitor, sender]),
          audience("new_staff_msg_for_supervisor", monitorsBut(sender)),
        ];
      }
      if (servedBefore === null) {
        const event = number === 1 ? "append_unclaimed_chats" : "visitor_unclaimed_msg";
        return [audience(event, [...everybody, visitor])];
      }
      return [
        audience("visitor_send", [servedBefore, visitor]),
        audience("new_visitor_msg_for_supervisor", monitorsBut(servedBefore)),
      ];
  }
}

/** The users who follow the conversation of a chat in this state. */
export function followersOf(
  status: "unclaimed" | "claimed" | "closed",
  { visitor, servedBy }: { visitor: string; servedBy: string | null },
  { all, monitors }: Staff,
): string[] {
  if (status === "closed") return [];
  if (servedBy === null) return [visitor, ...idsOf(all)];
  return [...new Set([visitor, servedBy, ...idsOf(monitors)])];
}

const idsOf = (users: User[]) => users.map(({ user }) => user);

/** The only event of the internal log: only monitors receive it. */
export const FLAG_EVENT = "chat_has_changed_priority_for_supervisor";
/** Events without a row, to the staff who follow the visitor's chat. */
export const isVisitorSignal = (event: string): boolean =>
  event === "visitor_goes_online" || event === "visitor_goes_offline";

const kindOf: Record<string, RowKind | "left"> = {
  visitor_identified: "visitorIdentified",
  staff_claim_chat: "claimed",
  staff_join_room: "claimed",
  agent_new_chat: "claimed",
  staff_being_taken_over_chat: "takenOver",
  staff_take_over_chat: "takenOver",
  staff_leave: "left",
  staff_leave_chat_for_supervisor: "left",
  visitor_leave: "left",
  visitor_leave_queue: "left",
  visitor_leave_chat_for_supervisor: "left",
};

/** The row of an event. A change's event has no number, but its chat has only one such row. */
export function rowOf(event: string, about: string | undefined, chat: Chat, number?: number): Row | undefined {
  if (number !== undefined) return chat.rows[number - 1];
  const kind = kindOf[event];
  return chat.rows.find((row) => {
    if (kind === "left") return row.kind === "staffLeft" || row.kind === "visitorLeft";
    return row.kind === kind && (kind !== "takenOver" || row.sender === about);
  });
}

export const isChange = (event: string): boolean => event in kindOf;
