import type { FakeChat, FakeServer } from "../../../sdk/src/testing/index.ts";
import type { Log, Message, StaffState, VisitorState } from "../../../sdk/src/types.ts";
import type { ChatMessage } from "../../../sdk/src/wire.ts";
import type { Content, Device } from "./device.ts";

type Shown = Log<Content>;
/** The state of the server. */
export type Truth = Pick<FakeServer, "chats" | "chatOf" | "user" | "staff" | "isOnline" | "flagged">;

/** How a log on the screen differs from the stored one. `me` is the id of the staff member who looks; null for the visitor. */
export function logProblems(shown: Shown, real: readonly ChatMessage[], me: string | null): string[] {
  const problems: string[] = [];
  const rows = shown.messages.filter(({ seq }) => seq !== null);
  const echoes = shown.messages.filter(({ seq }) => seq === null);
  if (shown.messages.findLastIndex(({ seq }) => seq !== null) >= rows.length) problems.push("a message after an echo");
  for (const { state, content } of echoes) {
    if (state !== "failed") problems.push(`the message ${content.content} is still ${state}`);
  }
  for (const [index, row] of rows.entries()) {
    const stored = real[(row.seq as number) - 1];
    const before = rows[index - 1]?.seq ?? 0;
    if ((row.seq as number) <= before) problems.push(`number ${row.seq} comes after ${before}`);
    if (!stored) problems.push(`number ${row.seq} isn't stored`);
    else problems.push(...rowProblems(row, stored, me));
  }
  const first = shown.older === "none" ? 1 : (rows[0]?.seq ?? real.length + 1);
  const numbers = new Set(rows.map(({ seq }) => seq));
  for (const { sequence_num: number, type_id, content } of real) {
    // Numbers of system messages may be missing.
    if (number >= first && type_id === 1 && !numbers.has(number))
      problems.push(`number ${number}, "${content.content}", is missing (from ${first}, older ${shown.older})`);
  }
  return problems;
}

function rowProblems(row: Message<Content>, stored: ChatMessage, me: string | null): string[] {
  const by = stored.sender === me ? "me" : stored.sender === null ? "visitor" : stored.sender;
  const shownBy = typeof row.by === "object" ? (row.by?.id ?? by) : row.by;
  const pairs = [
    ["id", row.id, stored.id],
    ["key", row.key, stored.id],
    ["content", row.content.content, stored.content.content],
    ["type", row.type, stored.type_id === 1 ? "text" : "system"],
    ["at", row.at, stored.created_at],
    ["by", shownBy, by],
    ["state", row.state, "stored"],
  ] as const;
  return pairs
    .filter(([, shown, real]) => shown !== real)
    .map(([name, shown, real]) => `number ${row.seq} has the ${name} ${shown}, not ${real}`);
}

const same = (what: string, shown: unknown, real: unknown): string[] =>
  JSON.stringify(shown) === JSON.stringify(real)
    ? []
    : [`${what} is ${JSON.stringify(shown)}, not ${JSON.stringify(real)}`];

const phases = { unclaimed: "queued", claimed: "served", closed: "closed" } as const;

/** How the screen of a visitor differs from the server. */
export function visitorProblems(server: Truth, person: string, state: VisitorState<Content>): string[] {
  const { chat, phase } = state;
  const real = server.chatOf(person);
  const isOpen = real !== null && real.status !== "closed";
  const problems = [...same("the connection", state.connection.state, "online")];
  problems.push(...same("me", state.me?.id, server.user(person).id));
  if (!isOpen) {
    if (phase !== "none" && phase !== "closed") problems.push(`the phase is ${phase} without an open chat`);
    if (phase !== "closed" || !chat) return problems;
  } else problems.push(...same("the phase", phase, phases[real.status]), ...same("the chat", chat?.id, real.id));
  const shown = server.chats().find(({ id }) => id === chat?.id);
  if (!chat || !shown) return [...problems, "no such chat is on the screen"];
  problems.push(...same("the staff", state.staff?.id ?? null, shown.staff?.id ?? null));
  problems.push(...same("the status", chat.status, shown.status));
  return [...problems, ...logProblems(chat, shown.messages, null)];
}

/** How the screen of a staff member differs from the server. */
export function staffProblems(server: Truth, person: string, state: StaffState<Content>, protocol = 2): string[] {
  const me = server.user(person);
  const isMonitor = "role_id" in me && me.role_id <= 2;
  const all = server.chats();
  // Agents receive no flags of others. Older servers don't say who is online of a listed chat, and when a flag was set.
  const knowsFlags = isMonitor && protocol === 2;
  const queue = all.filter(({ status }) => status === "unclaimed");
  const claimed = all.filter(({ status }) => status === "claimed");
  const mine = claimed.filter(({ staff }) => staff?.id === me.id);
  const others = claimed.filter(({ staff }) => staff?.id !== me.id);
  const ids = (chats: readonly { id: string }[]) => chats.map(({ id }) => id);
  const sorted = (chats: readonly { id: string }[]) => ids(chats).sort();
  const watched = state.watched === null || state.watched === "loading" ? [] : state.watched;
  const problems = [
    ...same("the connection", state.connection.state, "online"),
    ...same("me", state.me?.id, me.id),
    ...same("the queue", ids(state.queue), ids(queue)),
    ...same("the queue's total", state.queueTotal, queue.length),
    ...same("mine", sorted(state.mine), sorted(mine)),
    ...same("watched", state.watched === null ? null : sorted(watched), isMonitor ? sorted(others) : null),
    ...same("the claiming", state.claiming.size, 0),
  ];
  const byId = new Map(all.map((chat) => [chat.id, chat]));
  for (const chat of [...state.queue, ...state.mine, ...watched]) {
    const real = byId.get(chat.id) as FakeChat;
    const about = (problem: string) => `chat ${chat.id}: ${problem}`;
    problems.push(...logProblems(chat, real.messages, me.id).map(about));
    problems.push(...same("the status", chat.status, real.status).map(about));
    problems.push(...same("the staff", chat.staff?.id ?? null, real.staff?.id ?? null).map(about));
    problems.push(...same("the visitor", chat.visitor.id, real.visitor.id).map(about));
    if (protocol === 2)
      problems.push(...same("online", chat.visitorOnline, server.isOnline(real.visitor.id)).map(about));
    if (knowsFlags) problems.push(...same("the severity", chat.severity, real.room.severity_level).map(about));
  }
  const staffOnline = server.staff().filter(({ id }) => server.isOnline(id));
  problems.push(...same("the staff online", sorted(state.staffOnline), sorted(staffOnline)));
  if (knowsFlags) problems.push(...same("flagged", sorted(state.flagged), sorted(server.flagged())));
  return problems;
}

/** Lost, doubled or reordered messages of a device. */
export function sendingProblems(server: Truth, device: Device<never>): string[] {
  const problems: string[] = [...device.wrongs];
  const stored = server.chats().flatMap(({ messages }) => messages);
  const placeOf = new Map(stored.map((message, place) => [message.content.content, place]));
  let last: { place: number; text: string } = { place: -1, text: "" };
  const lastOf = new Map<string | null, { place: number; text: string }>();
  for (const { text, key, chatId, mayBeLost, isDiscarded, isLate } of device.sent) {
    const count = stored.filter(({ content }) => content.content === text).length;
    if (count > 0 && isDiscarded) problems.push(`${text} was taken back, and is stored`);
    if (count > 1) problems.push(`${text} is stored ${count} times`);
    if (count === 0 && !mayBeLost && !isDiscarded && !device.failures.has(key))
      problems.push(`${text} is lost, and the user doesn't know`);
    const place = placeOf.get(text);
    if (place === undefined || isLate) continue;
    last = lastOf.get(chatId) ?? { place: -1, text: "" };
    if (place < last.place) problems.push(`${text} was sent after ${last.text}, and is stored before it`);
    lastOf.set(chatId, { place, text });
  }
  return problems;
}
