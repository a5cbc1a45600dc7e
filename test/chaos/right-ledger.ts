// A short run in which every promise was kept, for the tests of the checker: they take it and break one.
import type { Entry, Fault, Kind, Note } from "./ledger.ts";

const organisation = "shop";
export const staff = { admin: 1, supervisor: 2, agent: 3, other: 3 } as const;
const message = (number: number) => `{"text":"message ${number}"}`;

/** A chat from its first message to its end: claimed in a race, taken over, with a restart and an eviction on the way. */
export function rightLedger(): Entry[] {
  const entries: Entry[] = [];
  const at = (t: number, ...notes: Note[]) => entries.push(...notes.map((note) => ({ t, ...note }) as Entry));
  const received = (t: number, event: string, about: string, number: number | null, ...connections: string[]) => {
    const seen = number === null ? {} : { number, id: `m${number}`, content: message(number) };
    for (const connection of connections) at(t, { kind: "received", connection, event, chat: "chat", about, ...seen });
  };
  const sent = (t: number, connection: string, event: string, number: number, sender: string) => {
    const ask = `${connection}/${number}`;
    at(t, { kind: "asked", ask, connection, event, id: `m${number}`, content: message(number) });
    at(t + 5, row(number, sender, message(number), 1));
    at(t + 10, { kind: "answered", ask, ok: true, why: null, chat: "chat", number });
  };
  const changed = (t: number, connection: string, event: string, number: number, sender: string, content: string) => {
    const ask = `${connection}/${number}`;
    at(t, { kind: "asked", ask, connection, event, chat: "chat" });
    at(t + 5, row(number, sender, JSON.stringify({ content }), 0));
    at(t + 10, { kind: "answered", ask, ok: true, why: null });
  };
  let serving: string | null = null;
  const kindOf: Record<number, string> = { 2: "claimed", 5: "takenOver", 7: "visitorLeft" };
  const row = (number: number, sender: string, content: string, type: number): Note => {
    const kind = kindOf[number] ?? "message";
    const data = kind === "takenOver" ? JSON.stringify({ from: serving }) : null;
    if (kind === "claimed" || kind === "takenOver") serving = sender;
    return {
      ...{ kind: "row", chat: "chat", number, id: `m${number}`, type, sender, byStaff: sender !== "visitor", content },
      stored: { kind, cause: "person", servedBy: serving, data },
    };
  };
  const flagged = (t: number, connection: string, number: number, actor: string, severity: number, ...to: string[]) => {
    const ask = `${connection}/flag${number}`;
    at(t, { kind: "asked", ask, connection, event: "change_chat_priority", chat: "chat", severity });
    at(t + 5, {
      ...{ kind: "internal", chat: "chat", number, entry: "flagged", cause: "person", actor },
      data: JSON.stringify({ severity_level: severity }),
    });
    at(t + 10, { kind: "answered", ask, ok: true, why: null });
    const event = "chat_has_changed_priority_for_supervisor";
    for (const one of to)
      at(t + 10, { kind: "received", connection: one, event, chat: "chat", about: actor, severity });
  };
  const connect = (
    t: number,
    connection: string,
    user: string,
    pod: string,
    numbers: number[],
    online: string[] | null,
    flagged: [chat: string, severity: number][] = [],
  ) => {
    const [client = ""] = connection.split("#");
    at(t, { kind: "connected", connection, client, user, pod, transports: "websocket" });
    const messages = numbers.map((n): [number, string, string] => [n, `m${n}`, rowText(n)]);
    const chats = messages.length > 0 ? [{ chat: "chat", as: "open" as const, messages }] : [];
    at(t + 10, { kind: "snapshot", connection, chats, flagged, online });
  };
  const rowText = (n: number) =>
    n === 2 ? '{"content":"join room"}' : n === 5 ? '{"content":"take over room"}' : message(n);

  at(0, {
    ...{ kind: "settings", seed: "1", scenario: "random", graceMs: 3_000, leaseMs: 6_000, touchMs: 2_000 },
    ...{ repairMs: 15_000, drainMs: 4_000, healMs: 5_000 },
  });
  for (const [user, role] of Object.entries(staff)) at(0, { kind: "user", user, role, organisation, name: user });
  at(0, { kind: "user", user: "visitor", role: 0, organisation, name: "visitor" });
  at(0, { kind: "user", user: "outsider", role: 1, organisation: "another shop", name: "outsider" });
  for (const pod of ["pod1", "pod2"])
    at(0, { kind: "pod started", pod, pid: 1 }, { kind: "readiness", pod, status: 200 });
  for (const user of Object.keys(staff)) connect(100, `${user}#1`, user, "pod2", [], Object.keys(staff));
  connect(100, "outsider#1", "outsider", "pod2", [], ["outsider"]);
  connect(200, "visitor#1", "visitor", "pod1", [], null);

  sent(1_000, "visitor#1", "visitor_first_msg", 1, "visitor");
  received(1_010, "append_unclaimed_chats", "visitor", 1, "admin#1", "supervisor#1", "agent#1", "other#1");
  changed(2_000, "agent#1", "staff_join", 2, "agent", "join room");
  at(2_000, { kind: "asked", ask: "race", connection: "other#1", event: "staff_join", chat: "chat" });
  at(2_012, { kind: "answered", ask: "race", ok: false, why: "The chat has already been claimed." });
  received(2_010, "staff_claim_chat", "visitor", null, "admin#1", "supervisor#1", "other#1");
  received(2_010, "staff_join_room", "agent", null, "visitor#1");
  received(2_010, "agent_new_chat", "agent", null, "admin#1", "supervisor#1");
  sent(3_000, "agent#1", "staff_msg", 3, "agent");
  received(3_010, "staff_send", "agent", 3, "visitor#1");
  received(3_010, "new_staff_msg_for_supervisor", "agent", 3, "admin#1", "supervisor#1");
  flagged(3_500, "agent#1", 1, "agent", 7, "admin#1", "supervisor#1");
  at(4_000, aFault({ name: "redis frozen", of: "redis", end: 4_500 }));
  sent(4_100, "visitor#1", "visitor_msg", 4, "visitor");
  received(4_600, "visitor_send", "visitor", 4, "agent#1");
  received(4_600, "new_visitor_msg_for_supervisor", "visitor", 4, "admin#1", "supervisor#1");
  changed(15_000, "supervisor#1", "take_over_chat", 5, "supervisor", "take over room");
  received(15_010, "staff_being_taken_over_chat", "supervisor", null, "agent#1", "visitor#1");
  received(15_010, "staff_take_over_chat", "supervisor", null, "admin#1");
  flagged(16_000, "supervisor#1", 2, "supervisor", 0, "admin#1");

  at(20_000, aFault({ name: "pod restarted", of: "pods", pods: ["pod1"], end: 21_000, restarts: true }));
  at(20_100, {
    kind: "disconnected",
    connection: "visitor#1",
    why: "dropped",
    reason: "transport close",
    returns: true,
  });
  connect(20_400, "visitor#2", "visitor", "pod2", [1, 2, 3, 4, 5], null);
  received(20_450, "visitor_goes_online", "visitor", null, "supervisor#1", "admin#1");
  at(21_000, { kind: "pod ended", pod: "pod1", code: 0, asked: "SIGTERM", askedAt: 20_000 });
  sent(22_000, "supervisor#1", "staff_msg", 6, "supervisor");
  received(22_010, "staff_send", "supervisor", 6, "visitor#2");
  received(22_010, "new_staff_msg_for_supervisor", "supervisor", 6, "admin#1");

  at(30_000, { kind: "disconnected", connection: "other#1", why: "script", reason: "transport close", returns: false });
  for (const connection of ["admin#1", "supervisor#1", "agent#1"]) {
    at(33_500, { kind: "received", connection, event: "staff_goes_offline", about: "other" });
  }
  at(50_000, aFault({ name: "postgres restarted", of: "postgres", end: 51_000 }));
  at(50_500, { kind: "readiness", pod: "pod2", status: 503 });
  at(51_500, { kind: "readiness", pod: "pod2", status: 200 });
  changed(60_000, "visitor#2", "visitor_leave_room", 7, "visitor", "leave room");
  received(60_010, "visitor_leave", "visitor", null, "supervisor#1");
  received(60_010, "visitor_leave_chat_for_supervisor", "visitor", null, "admin#1");
  flagged(65_000, "agent#1", 3, "agent", 9, "admin#1", "supervisor#1");
  connect(68_000, "admin#2", "admin", "pod2", [], ["admin", "supervisor", "agent", "visitor"], [["chat", 9]]);
  at(70_000, { kind: "quiet" }, { kind: "counted", pod: "pod2", unknown: 0, healed: {} });
  at(90_000, {
    ...{ kind: "chat", chat: "chat", organisation, visitor: "visitor", status: "closed", staff: "supervisor", last: 7 },
    ...{ lastInternal: 3, severity: 9 },
  });
  return entries;
}

export function aFault(fault: Partial<Fault>): Note {
  return {
    ...{ kind: "fault", name: "a fault", end: 0, of: "pods", pods: [], about: "" },
    ...{ isolates: false, losesPresence: false, restarts: false, ...fault },
  };
}

/** Whether an entry has these very fields. */
const matches = (entry: Entry, fields: object) =>
  Object.entries(fields).every(([name, value]) => (entry as unknown as Record<string, unknown>)[name] === value);

type Fields = { kind: Kind } & Record<string, unknown>;

export const without = (fields: Fields) => (ledger: Entry[]) => ledger.filter((entry) => !matches(entry, fields));

export const changed = (fields: Fields, changes: object) => (ledger: Entry[]) =>
  ledger.map((entry) => (matches(entry, fields) ? ({ ...entry, ...changes } as Entry) : entry));

export const added =
  (t: number, ...notes: Note[]) =>
  (ledger: Entry[]) =>
    [...ledger, ...notes.map((note) => ({ t, ...note }) as Entry)].sort((a, b) => a.t - b.t);
