// The look of the demo: one line for each event that a person sends or receives. Without colours when NO_COLOR is set or
// the output is no terminal.
import { styleText } from "node:util";
import type { ServerEventName } from "../../src/contract/events.ts";
import type { ChatMessage } from "../../src/contract/models.ts";
import type { SecondPayload } from "../../src/contract/second-form.ts";

type Colour = Parameters<typeof styleText>[0];
const paint = (colour: Colour, text: string) => styleText(colour, text);

export type Look = { name: string; role: string; colour: "magenta" | "cyan" | "green" | "yellow" };

let act = 0;

export function printAct(title: string, explanation: string): void {
  act += 1;
  console.log(`\n${paint("bold", `${act}. ${title}`)}\n   ${paint("dim", explanation)}\n`);
}

export const printAside = (text: string): void => console.log(`   ${paint("dim", text)}`);

export const printSent = (who: Look, event: string, data: unknown): void =>
  line(who, paint("bold", "→ sends"), event, dataOf(data));

export const printReceived = (who: Look, event: string, payload: unknown): void =>
  line(who, paint("dim", "← gets "), event, gistOf(event, payload));

/** @param ack result, sentence of a refusal, and a value: of a message the stored one */
export function printAck(who: Look, event: string, [result, why, value]: unknown[]): void {
  const { sequence_num: number } = (value ?? {}) as Partial<ChatMessage>;
  const stored = number ? paint("dim", `  stored as number ${number}`) : "";
  const gist = result ? `${paint("green", "true")}${stored}` : `${paint("red", "false")}  ${why}`;
  line(who, paint("dim", "← ack  "), event, gist);
}

function line({ name, role, colour }: Look, direction: string, event: string, gist: string): void {
  console.log(
    `   ${paint(colour, `${name.padEnd(5)} ${role.padEnd(11)}`)}${direction}  ${event.padEnd(30)}  ${gist}`.trimEnd(),
  );
}

export const printMessage = ({ sequence_num, type_id, content }: ChatMessage, author: string): void => {
  const text = type_id === 0 ? paint("dim", `(${String(content.content)})`) : quote(content);
  console.log(`   ${String(sequence_num).padStart(3)}  ${author.padEnd(6)} ${text}`);
};

/** The first argument of a client's event, in a few words. */
function dataOf(data: unknown): string {
  const { room, content, id, ...others } = (data ?? {}) as Record<string, unknown>;
  if (room === undefined) return content === undefined ? "" : quote({ content });
  const parts = [`room ${short(String(room))}`, ...Object.entries(others).map(([name, value]) => `${name} ${value}`)];
  if (id !== undefined) parts.push(`id ${short(String(id))}`);
  return content === undefined ? parts.join(", ") : `${parts.join(", ")}: ${quote(content as Record<string, unknown>)}`;
}

const quote = (content: Record<string, unknown>): string => `“${String(content.content)}”`;
/** The end of an id: its beginning is a time, and alike for all. */
const short = (id: string): string => `…${id.slice(-4)}`;
type Named = { full_name: string } | { display_name: string } | { name: string };
/** Visitors see only the display name of staff. */
function firstName(user: Named): string {
  const whole = "full_name" in user ? user.full_name : "display_name" in user ? user.display_name : user.name;
  return whole.split(" ")[0] ?? "";
}
const names = (users: Named[]) => users.map(firstName).join(", ") || "nobody";

const numbered = ({ message, content }: { message: ChatMessage; content: Record<string, unknown> }) =>
  `number ${message.sequence_num}: ${quote(content)}`;

/** The gist of each event, in a few words. */
const gists: { [E in ServerEventName]: (payload: SecondPayload<E>) => string } = {
  staff_init: ({ online_users, unclaimed_chats, active_chats }) =>
    `online: ${names(online_users)}; ${unclaimed_chats.length} in the queue; serves ${active_chats.length}`,
  visitor_init: ({ room, staff, messages }) =>
    room
      ? `chat ${short(room.id)}, served by ${staff ? firstName(staff) : "nobody yet"}, ${messages.length} messages`
      : "no open chat",
  append_unclaimed_chats: ({ user, room, messages }) =>
    `${firstName(user)} queues, chat ${short(room.id)}: ${messages.map(({ content }) => quote(content)).join(" ")}`,
  visitor_unclaimed_msg: numbered,
  visitor_leave_queue: ({ user }) => `${firstName(user)} waits no longer`,
  visitor_identified: ({ user, room }) => `the visitor of chat ${short(room.id)} is ${firstName(user)}`,
  staff_claim_chat: ({ room, staff }) => `${firstName(staff)} has chat ${short(room.id)}: out of the queue`,
  staff_join_room: ({ user }) => `${firstName(user)} is here`,
  visitor_send: numbered,
  staff_send: numbered,
  staff_leave: ({ user }) => `${firstName(user)} has left: the chat is closed`,
  visitor_leave: ({ user }) => `${firstName(user)} has left: the chat is closed`,
  staff_being_taken_over_chat: ({ user }) => `${firstName(user)} serves the chat from now on`,
  staff_goes_online: ({ user }) => `${firstName(user)} is there`,
  staff_goes_offline: ({ user }) => `${firstName(user)} is offline`,
  visitor_goes_online: ({ user }) => `${firstName(user)} is there`,
  visitor_goes_offline: ({ user }) => `${firstName(user)} has no connection any more`,
  staff_take_over_chat: ({ user, room }) => `${firstName(user)} has taken chat ${short(room)} over`,
  agent_new_chat: ({ user, visitor, messages }) =>
    `${firstName(user)} serves ${firstName(visitor)}; ${messages.length} messages so far`,
  new_staff_msg_for_supervisor: (payload) => `${firstName(payload.user)}, ${numbered(payload)}`,
  new_visitor_msg_for_supervisor: (payload) => `${firstName(payload.user)}, ${numbered(payload)}`,
  staff_leave_chat_for_supervisor: ({ user }) => `${firstName(user)} has left a chat`,
  visitor_leave_chat_for_supervisor: ({ user }) => `${firstName(user)} has left a chat`,
  chat_has_changed_priority_for_supervisor: ({ user, room }) =>
    `${firstName(user)} sets severity ${room.severity_level}`,
};

const gistOf = (event: string, payload: unknown): string =>
  (gists as Record<string, ((payload: never) => string) | undefined>)[event]?.(payload as never) ?? "";
