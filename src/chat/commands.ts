import type { ClientData, ClientEventName, ClientOptions, clientEvents } from "../contract/events.ts";
import type { ChatMessage } from "../contract/models.ts";
import { claimChat, flagChat, leaveChatAsStaff, leaveChatAsVisitor, takeOverChat } from "./lifecycle.ts";
import { sendStaffMessage, sendVisitorMessage } from "./messages.ts";
import type { ChatPorts, StaffCaller, VisitorCaller } from "./ports.ts";

type CallerOf<E extends ClientEventName> = (typeof clientEvents)[E]["from"] extends "visitor"
  ? VisitorCaller
  : StaffCaller;

/** Handles one event. The stored message, when it returns one, is the third value of a client's ack that gave an id. */
export type Handler<E extends ClientEventName> = (
  ports: ChatPorts,
  caller: CallerOf<E>,
  data: ClientData<E>,
  options: ClientOptions<E>,
) => Promise<ChatMessage | void>;

/** One handler for each event that a client may send: the compiler refuses a missing one. */
export const commands: { [E in ClientEventName]: Handler<E> } = {
  staff_join: (ports, caller, { room }) => claimChat(ports, caller, room),
  staff_msg: (ports, caller, { room, content, id }) => sendStaffMessage(ports, caller, { room, content, ownId: id }),
  staff_leave_room: (ports, caller, { room }) => leaveChatAsStaff(ports, caller, room),
  take_over_chat: (ports, caller, { room }) => takeOverChat(ports, caller, room),
  change_chat_priority: (ports, caller, { room, severity_level = 0 }) =>
    flagChat(ports, caller, { room, severityLevel: severity_level }),
  visitor_first_msg: (ports, caller, content, options) =>
    sendVisitorMessage(ports, caller, { content, ownId: options?.id, mayOpen: true }),
  visitor_msg_unclaimed: (ports, caller, content, options) =>
    sendVisitorMessage(ports, caller, { content, ownId: options?.id, mayOpen: false }),
  visitor_msg: (ports, caller, content, options) =>
    sendVisitorMessage(ports, caller, { content, ownId: options?.id, mayOpen: false }),
  visitor_leave_room: (ports, caller) => leaveChatAsVisitor(ports, caller),
};
