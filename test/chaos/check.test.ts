import { expect, test } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import { check } from "./check.ts";
import {
  answered,
  asked,
  both,
  connected,
  type Doctor,
  disconnected,
  leaveRow,
  received,
  row,
  snapshot,
  started,
} from "./doctors.ts";
import { NO_LOG_LINE } from "./ledger.ts";
import { added, changed, rightLedger, without } from "./right-ledger.ts";

/** The chat stays open: what its visitor's leave led to isn't there. */
const stillOpen = both(
  without({ kind: "row", number: 7 }),
  without({ kind: "received", event: "visitor_leave" }),
  without({ kind: "received", event: "visitor_leave_chat_for_supervisor" }),
  without({ kind: "asked", event: "visitor_leave_room" }),
  changed({ kind: "chat" }, { status: "claimed", last: 6 }),
);

test("a run in which every promise was kept has no finding", () => {
  const { findings, figures } = check(rightLedger());
  expect(findings).toEqual([]);
  expect(figures.P1).toEqual({ acked: 4, stored: 4, resent: 0, rows: 7, "internal entries": 3 });
  expect(figures.P2).toMatchObject({ "lost or late": 0, deliveries: 26, "deliveries of flags": 6 });
  expect(figures.P5).toMatchObject({ "connections moved": 1 });
});

const violations: [promise: string, what: string, doctor: Doctor][] = [
  ["P1", "acked but not stored", without({ kind: "row", number: 6 })],
  ["P1", "stored twice", added(5_000, row(8, "visitor", '{"text":"message 4"}', { id: "m4" }))],
  ["P1", "stored otherwise than sent", changed({ kind: "row", number: 4 }, { content: '{"text":"another"}' })],
  ["P1", "acked with another number", changed({ kind: "answered", number: 4 }, { number: 3 })],
  [
    "P1",
    "refused but stored",
    changed({ kind: "answered", number: 4 }, { ok: false, why: refusals.roomClosed.sentence }),
  ],
  ["P1", "nobody sent it", without({ kind: "asked", id: "m4" })],
  ["P1", "a gap in the numbers", changed({ kind: "row", number: 4 }, { number: 40 })],
  ["P1", "a gap in the numbers", changed({ kind: "chat" }, { last: 8 })],

  ["P2", "a message was lost", without({ kind: "received", connection: "agent#1", number: 4 })],
  ["P2", "a message was lost", without({ kind: "received", connection: "admin#1", number: 6 })],
  ["P2", "a message was lost", changed({ kind: "received", connection: "agent#1", number: 4 }, { t: 10_000 })],
  [
    "P2",
    "a message was lost",
    changed({ kind: "snapshot", connection: "visitor#2" }, { chats: [{ chat: "chat", as: "open", messages: [] }] }),
  ],
  ["P2", "a change was lost", without({ kind: "received", connection: "other#1", event: "staff_claim_chat" })],
  [
    "P2",
    "a change was lost",
    without({ kind: "received", connection: "agent#1", event: "staff_being_taken_over_chat" }),
  ],
  ["P2", "a change was lost", without({ kind: "received", connection: "supervisor#1", event: "visitor_leave" })],
  ["P2", "a snapshot was older than an event before it", added(3_500, snapshot("visitor#1"))],
  [
    "P2",
    "a snapshot was older than an event before it",
    added(
      2_100,
      snapshot("admin#1", { chats: [{ chat: "chat", as: "queued", messages: [[1, "m1", '{"text":"message 1"}']] }] }),
    ),
  ],

  ["P3", "claimed twice", added(2_500, row(8, "other", '{"content":"join room"}', { type: 0 }))],
  ["P3", "a claim acked to a loser", changed({ kind: "answered", ask: "race" }, { ok: true, why: null })],
  ["P3", "written by other staff than the serving one", changed({ kind: "row", number: 6 }, { sender: "agent" })],
  ["P3", "written in a closed chat", added(61_000, row(8, "visitor", '{"text":"message 8"}'))],
  ["P3", "taken over from no lower role", changed({ kind: "row", number: 5 }, { sender: "other" })],
  ["P3", "state and rows differ", changed({ kind: "chat" }, { staff: "agent" })],
  [
    "P3",
    "two open chats of one visitor",
    added(
      5_000,
      {
        kind: "chat",
        chat: "second",
        organisation: "shop",
        visitor: "visitor",
        status: "unclaimed",
        staff: null,
        last: 1,
        lastInternal: 0,
        severity: 0,
      },
      row(1, "visitor", "{}", { chat: "second" }),
    ),
  ],

  ["P4", "false offline", added(30_000, received("admin#1", "staff_goes_offline", { about: "agent" }))],
  ["P4", "not shown offline", without({ kind: "received", event: "staff_goes_offline" })],
  ["P4", "shown offline twice", added(35_000, received("admin#1", "staff_goes_offline", { about: "other" }))],
  ["P4", "a ghost on a screen", without({ kind: "received", event: "staff_goes_offline", connection: "admin#1" })],
  [
    "P4",
    "a ghost on a snapshot",
    added(69_000, snapshot("admin#1", { online: ["admin", "supervisor", "agent", "other"] })),
  ],
  ["P4", "missing on a snapshot", added(40_000, snapshot("admin#1", { online: ["admin", "supervisor"] }))],
  ["P4", "missing on a screen", added(40_000, snapshot("admin#1", { online: ["admin", "supervisor"] }))],
  ["P4", "a chat was closed for somebody who was there", without({ kind: "asked", event: "visitor_leave_room" })],
  [
    "P4",
    "a chat stayed open for somebody who had left",
    both(stillOpen, added(55_000, disconnected("visitor#2", "script")), added(120_000, { kind: "quiet" })),
  ],

  ["P5", "not back after a restart", both(without({ kind: "connected", connection: "visitor#2" }), stillOpen)],
  [
    "P5",
    "not back after a restart",
    both(
      without({ kind: "fault", name: "postgres restarted" }),
      changed({ kind: "snapshot", connection: "visitor#2" }, { t: 55_000 }),
    ),
  ],
  [
    "P5",
    "a chat was closed by a restart",
    both(stillOpen, added(23_000, leaveRow(7, "visitor")), changed({ kind: "chat" }, { status: "closed", last: 7 })),
  ],
  [
    "P5",
    "somebody was shown offline by a restart",
    both(
      changed({ kind: "connected", connection: "agent#1" }, { pod: "pod1" }),
      added(20_200, disconnected("agent#1", "dropped")),
      added(20_500, connected("agent#2", "agent", "pod2")),
      added(20_510, snapshot("agent#2", { online: ["admin", "supervisor", "agent", "other"] })),
      added(23_400, received("admin#1", "staff_goes_offline", { about: "agent" })),
    ),
  ],

  ["P6", "a pod died", added(40_000, { kind: "pod ended", pod: "pod2", code: 1, asked: null, askedAt: null })],
  ["P6", "a pod didn't stop cleanly", changed({ kind: "pod ended" }, { code: 1 })],
  ["P6", "a pod stopped too slowly", changed({ kind: "pod ended" }, { askedAt: 10_000 })],
  ["P6", NO_LOG_LINE, added(40_000, { kind: "pod said", pod: "pod2", said: NO_LOG_LINE, line: "Error: unhandled" })],
  ["P6", "unexpected error", added(40_000, { kind: "pod said", pod: "pod2", said: "unexpected error", line: "{}" })],
  ["P6", "unready without Redis", added(4_200, { kind: "readiness", pod: "pod2", status: 503 })],
  ["P6", "not ready again", without({ kind: "readiness", t: 51_500 })],
  [
    "P6",
    "internal error",
    added(40_000, asked("x", "agent#1", "staff_msg"), answered("x", false, refusals.internal.sentence)),
  ],
  [
    "P6",
    "unavailable for no reason",
    added(40_000, asked("x", "agent#1", "staff_msg"), answered("x", false, refusals.unavailable.sentence)),
  ],
  [
    "P6",
    "no answer for no reason",
    added(40_000, asked("x", "agent#1", "staff_msg"), answered("x", null, "operation has timed out")),
  ],
  [
    "P6",
    "a failed send without Redis",
    added(4_200, asked("x", "visitor#1", "visitor_msg", { id: "m9" }), answered("x", null, "operation has timed out")),
  ],

  ["leaks", "left behind", added(80_000, { kind: "leftover", where: "pod2", what: "chat_connections is 1" })],
];

test.each(violations)("%s: finds %s", (promise, what, doctor) => {
  const { findings } = check(doctor(rightLedger()));
  expect(findings).toContainEqual({ promise, what, t: expect.any(Number), about: expect.any(String) });
});

const excuses: [why: string, doctor: Doctor][] = [
  [
    "a message that is late because of a fault",
    both(
      added(15_900, started("redis frozen", 19_000, { of: "redis" })),
      changed({ kind: "received", event: "staff_being_taken_over_chat" }, { t: 23_500 }),
    ),
  ],
  [
    "a message that came late to a client that didn't read",
    both(
      added(22_005, { kind: "paused", connection: "visitor#2", end: 26_000 }),
      changed({ kind: "received", connection: "visitor#2", number: 6 }, { t: 30_000 }),
    ),
  ],
  [
    "a user who was shown offline while their pod was frozen",
    both(
      changed({ kind: "connected", connection: "agent#1" }, { pod: "pod3" }),
      added(24_000, started("pod frozen", 36_000, { pods: ["pod3"], isolates: true })),
      added(34_000, received("admin#1", "staff_goes_offline", { about: "agent" })),
      added(38_000, received("admin#1", "staff_goes_online", { about: "agent" })),
    ),
  ],
  [
    "no answer on a connection that then breaks",
    added(
      40_000,
      asked("x", "outsider#1", "staff_msg"),
      disconnected("outsider#1", "dropped"),
      answered("x", null, "operation has timed out"),
      connected("outsider#2", "outsider", "pod2"),
      snapshot("outsider#2", { online: ["outsider"] }),
    ),
  ],
  [
    "a refusal of a message whose first attempt may have been stored",
    both(
      changed({ kind: "answered", number: 4 }, { ok: null, why: "socket has been disconnected" }),
      added(9_500, asked("again", "visitor#1", "visitor_msg", { id: "m4", content: '{"text":"message 4"}' })),
      added(9_510, answered("again", false, refusals.roomClosed.sentence)),
      // It had left its client before Redis failed.
      without({ kind: "fault", name: "redis frozen" }),
    ),
  ],
];

test.each(excuses)("has no finding for %s", (_, doctor) => {
  expect(check(doctor(rightLedger())).findings).toEqual([]);
});
