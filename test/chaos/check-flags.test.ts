// The checker's rules for stored entries and for the internal log.
import { expect, test } from "vitest";
import { FLAG_EVENT } from "./audience.ts";
import { check } from "./check.ts";
import {
  answered,
  asked,
  both,
  connected,
  type Doctor,
  disconnected,
  flag,
  received,
  snapshot,
  started,
  storedClaim,
} from "./doctors.ts";
import { added, changed, rightLedger, without } from "./right-ledger.ts";

/** The supervisor flags the chat once more, between their flag of severity 0 and the agent's. The admin receives that. */
const flaggedAgain = (severity: number, ...events: Doctor[]) =>
  both(
    changed({ kind: "internal", number: 3 }, { number: 4 }),
    added(17_000, asked("again", "supervisor#1", "change_chat_priority", { chat: "chat", severity })),
    added(17_001, flag(3, "supervisor", severity)),
    added(17_002, answered("again", true, null)),
    changed({ kind: "chat" }, { lastInternal: 4 }),
    ...events,
  );
const flagEvent = (connection: string, about: string, severity: number) =>
  received(connection, FLAG_EVENT, { chat: "chat", about, severity });

const sixth = { chat: "chat", number: 6, id: "m6", content: '{"text":"message 6"}' };
/**
 * The admin opens a second tab after the supervisor's flag of severity 0, which its snapshot shows. The supervisor flags again,
 * then the agent takes the flag away. The tab receives the agent's flag.
 */
const secondTab = (...events: Doctor[]) =>
  flaggedAgain(
    12,
    added(17_005, flagEvent("admin#1", "supervisor", 12)),
    changed({ kind: "internal", number: 4 }, { number: 5 }),
    added(17_100, asked("away", "agent#1", "change_chat_priority", { chat: "chat", severity: 0 })),
    added(17_101, flag(4, "agent", 0)),
    added(17_102, answered("away", true, null)),
    added(17_105, flagEvent("admin#1", "agent", 0), flagEvent("supervisor#1", "agent", 0)),
    changed({ kind: "chat" }, { lastInternal: 5 }),
    added(16_500, connected("admin#3", "admin", "pod2"), snapshot("admin#3")),
    added(18_000, flagEvent("admin#3", "agent", 0)),
    added(22_010, received("admin#3", "new_staff_msg_for_supervisor", { about: "supervisor", ...sixth })),
    added(30_000, disconnected("admin#3", "choice")),
    ...events,
  );

const violations: [promise: string, what: string, doctor: Doctor][] = [
  ["P1", "a wrong kind", changed({ kind: "row", number: 2 }, { stored: { ...storedClaim, kind: "takenOver" } })],
  ["P1", "a wrong cause", changed({ kind: "row", number: 2 }, { stored: { ...storedClaim, cause: null } })],
  ["P1", "a wrong cause", changed({ kind: "row", number: 2 }, { stored: { ...storedClaim, cause: "loss" } })],
  ["P1", "a wrong cause", without({ kind: "asked", event: "visitor_leave_room" })],
  [
    "P1",
    "a wrong staff member",
    changed({ kind: "row", number: 2 }, { stored: { ...storedClaim, servedBy: "other" } }),
  ],
  ["P1", "wrong data", changed({ kind: "row", number: 2 }, { stored: { ...storedClaim, data: '{"from":"other"}' } })],
  ["P1", "wrong data", changed({ kind: "row", number: 5 }, { stored: { ...storedClaim, data: '{"from":"other"}' } })],
  ["P1", "a gap in the internal numbers", changed({ kind: "internal", number: 2 }, { number: 4 })],
  ["P1", "a gap in the internal numbers", changed({ kind: "chat" }, { lastInternal: 4 })],
  ["P1", "a wrong kind", changed({ kind: "internal", number: 2 }, { entry: "noted" })],
  ["P1", "a wrong cause", changed({ kind: "internal", number: 2 }, { cause: null })],
  ["P1", "flag and entries differ", changed({ kind: "chat" }, { severity: 0 })],
  ["P1", "entries of an unknown kind", changed({ kind: "counted" }, { unknown: 1 })],
  ["P1", "a flag acked but not stored", without({ kind: "internal", number: 2 })],
  ["P1", "a flag stored too often", changed({ kind: "answered", ask: "agent#1/flag1" }, { ok: false, why: "no" })],
  ["P1", "a flag stored too often", added(17_000, flag(4, "supervisor", 0))],
  ["P1", "a flag that nobody set", without({ kind: "asked", ask: "agent#1/flag1" })],

  ["P2", "a flag was lost", without({ kind: "received", connection: "admin#1", severity: 7 })],
  ["P2", "a flag was lost", without({ kind: "received", connection: "admin#1", severity: 0 })],
  ["P2", "a flag was lost", without({ kind: "received", connection: "supervisor#1", severity: 9 })],
  ["P2", "a flag was lost", changed({ kind: "received", connection: "admin#1", severity: 7 }, { t: 10_000 })],
  ["P2", "a flag was lost", changed({ kind: "received", connection: "admin#1", severity: 7 }, { severity: 8 })],
  ["P2", "a flag was lost", changed({ kind: "snapshot", connection: "admin#2" }, { flagged: [] })],
  ["P2", "a flag was lost", changed({ kind: "snapshot", connection: "admin#2" }, { flagged: [["chat", 7]] })],
  // No event has the severity of a flag that is set later.
  [
    "P2",
    "a flag was lost",
    changed({ kind: "received", connection: "admin#1", severity: 7 }, { t: 8_000, severity: 9 }),
  ],
  // The shown flag and the agent's can't stand in for the supervisor's.
  ["P2", "a flag was lost", secondTab()],
  ["P2", "a snapshot was older than a flag before it", added(66_000, snapshot("admin#1"))],
];

test.each(violations)("%s: finds %s", (promise, what, doctor) => {
  const { findings } = check(doctor(rightLedger()));
  expect(findings).toContainEqual({ promise, what, t: expect.any(Number), about: expect.any(String) });
});

const excuses: [why: string, doctor: Doctor][] = [
  [
    "a flag that came late because of a fault",
    both(
      added(15_900, started("redis frozen", 19_000, { of: "redis" })),
      changed({ kind: "received", connection: "admin#1", severity: 0 }, { t: 23_500 }),
    ),
  ],
  [
    "a flag that came from the database, with the chat as it was by then",
    flaggedAgain(
      12,
      changed({ kind: "received", connection: "admin#1", severity: 0 }, { severity: 12, t: 17_500 }),
      added(17_500, flagEvent("admin#1", "supervisor", 12)),
    ),
  ],
  [
    "two flags of one severity of which the first came from the database, with a later severity",
    flaggedAgain(
      0,
      changed({ kind: "received", connection: "admin#1", severity: 0 }, { severity: 9, t: 17_500 }),
      changed({ kind: "internal", number: 4 }, { t: 17_400 }),
      changed({ kind: "asked", ask: "agent#1/flag3" }, { t: 17_400 }),
      changed({ kind: "received", severity: 9 }, { t: 17_500 }),
      added(17_600, flagEvent("admin#1", "supervisor", 0)),
    ),
  ],
  [
    "a flag that came from the database with severity 0, like the flag that the snapshot before it shows",
    secondTab(added(18_000, flagEvent("admin#3", "supervisor", 0))),
  ],
  [
    "a flag that came from the database with a later severity, before its client set it again for want of an ack",
    flaggedAgain(
      12,
      changed({ kind: "answered", ask: "again" }, { ok: null, why: "socket has been disconnected" }),
      changed({ kind: "internal", number: 4 }, { number: 6 }),
      added(17_100, asked("between", "agent#1", "change_chat_priority", { chat: "chat", severity: 20 })),
      added(17_101, flag(4, "agent", 20)),
      added(17_102, answered("between", true, null)),
      added(17_500, flagEvent("admin#1", "supervisor", 20), flagEvent("admin#1", "agent", 20)),
      added(17_500, flagEvent("supervisor#1", "agent", 20)),
      added(18_000, asked("once more", "supervisor#1", "change_chat_priority", { chat: "chat", severity: 12 })),
      added(18_001, flag(5, "supervisor", 12)),
      added(18_002, answered("once more", true, null)),
      added(18_010, flagEvent("admin#1", "supervisor", 12)),
      changed({ kind: "chat" }, { lastInternal: 6 }),
    ),
  ],
  [
    "a flag that was stored again because its first ack was lost",
    both(
      changed({ kind: "answered", ask: "agent#1/flag3" }, { ok: null, why: "socket has been disconnected" }),
      added(65_100, asked("again", "agent#1", "change_chat_priority", { chat: "chat", severity: 9 })),
      added(65_105, flag(4, "agent", 9)),
      added(65_110, answered("again", true, null)),
      added(65_110, received("admin#1", FLAG_EVENT, { chat: "chat", about: "agent", severity: 9 })),
      added(65_110, received("supervisor#1", FLAG_EVENT, { chat: "chat", about: "agent", severity: 9 })),
      changed({ kind: "chat" }, { lastInternal: 4 }),
    ),
  ],
];

test.each(excuses)("has no finding for %s", (_, doctor) => {
  expect(check(doctor(rightLedger())).findings).toEqual([]);
});
