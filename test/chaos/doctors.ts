// Changes of a right ledger, for the tests of the checker.
import type { Entry } from "./ledger.ts";
import { aFault } from "./right-ledger.ts";

export type Doctor = (ledger: Entry[]) => Entry[];
export const both =
  (...doctors: Doctor[]): Doctor =>
  (ledger) =>
    doctors.reduce((changing, doctor) => doctor(changing), ledger);

export const asked = (ask: string, connection: string, event: string, more = {}) => ({
  kind: "asked" as const,
  ask,
  connection,
  event,
  ...more,
});
export const answered = (ask: string, ok: boolean | null, why: string | null, more = {}) => ({
  kind: "answered" as const,
  ask,
  ok,
  why,
  ...more,
});
export const received = (connection: string, event: string, more = {}) => ({
  kind: "received" as const,
  connection,
  event,
  ...more,
});
export const row = (number: number, sender: string, content: string, more = {}) => ({
  ...{
    kind: "row" as const,
    chat: "chat",
    number,
    id: `m${number}`,
    type: 1,
    sender,
    byStaff: sender !== "visitor",
    content,
    stored: { kind: "message", cause: "person", servedBy: null, data: null },
    ...more,
  },
});
export const leaveRow = (number: number, sender: string) =>
  row(number, sender, '{"content":"leave room"}', { type: 0 });
export const connected = (connection: string, user: string, pod: string) => ({
  ...{
    kind: "connected" as const,
    connection,
    client: connection.split("#")[0] ?? "",
    user,
    pod,
    transports: "websocket",
  },
});
export const snapshot = (connection: string, more = {}) => ({
  kind: "snapshot" as const,
  connection,
  chats: [],
  flagged: [],
  online: null,
  ...more,
});
export const disconnected = (connection: string, why: "choice" | "script" | "dropped") => ({
  ...{ kind: "disconnected" as const, connection, why, reason: "transport close", returns: why === "dropped" },
});
export const storedClaim = { kind: "claimed", cause: "person", servedBy: "agent", data: null };
export const flag = (number: number, actor: string, severity: number) => ({
  ...{ kind: "internal" as const, chat: "chat", number, entry: "flagged", cause: "person", actor },
  data: JSON.stringify({ severity_level: severity }),
});
export const started = (name: string, end: number, more = {}) => aFault({ name, end, ...more });
