// The checker's rules for who receives what, and what visitors see.
import { expect, test } from "vitest";
import { FLAG_EVENT } from "./audience.ts";
import { check } from "./check.ts";
import { type Doctor, received, snapshot } from "./doctors.ts";
import { added, changed, rightLedger } from "./right-ledger.ts";

const violations: [promise: string, what: string, doctor: Doctor][] = [
  ["P7", "an event for others", added(3_010, received("other#1", "staff_send", { chat: "chat", number: 3 }))],
  [
    "P7",
    "an event for others",
    added(4_700, received("agent#1", "new_visitor_msg_for_supervisor", { chat: "chat", number: 4 })),
  ],
  [
    "P7",
    "an event of another organisation",
    added(3_010, received("outsider#1", "new_staff_msg_for_supervisor", { chat: "chat", number: 3 })),
  ],
  [
    "P7",
    "presence of another organisation",
    added(3_010, received("outsider#1", "staff_goes_online", { about: "agent" })),
  ],
  [
    "P7",
    "an event without a row",
    added(3_010, received("admin#1", "new_staff_msg_for_supervisor", { chat: "chat", number: 99 })),
  ],
  [
    "P7",
    "another message than the stored one",
    changed({ kind: "received", connection: "agent#1", number: 4 }, { id: "m5" }),
  ],
  [
    "P7",
    "a chat of others in a snapshot",
    added(5_000, snapshot("other#1", { chats: [{ chat: "chat", as: "active", messages: [] }] })),
  ],
  [
    "P7",
    "an event for others",
    added(3_510, received("agent#1", FLAG_EVENT, { chat: "chat", about: "agent", severity: 7 })),
  ],
  [
    "P7",
    "an event for others",
    added(3_510, received("visitor#1", FLAG_EVENT, { chat: "chat", about: "agent", severity: 7 })),
  ],
  [
    "P7",
    "an event of another organisation",
    added(3_510, received("outsider#1", FLAG_EVENT, { chat: "chat", about: "agent", severity: 7 })),
  ],
  [
    "P7",
    "an event without a row",
    added(3_510, received("admin#1", FLAG_EVENT, { chat: "chat", about: "agent", severity: 8 })),
  ],
  ["P7", "a flag or tags shown to a visitor", changed({ kind: "received", connection: "visitor#1" }, { severity: 7 })],
  ["P7", "a flag or tags shown to a visitor", changed({ kind: "received", connection: "visitor#1" }, { tags: 1 })],
  [
    "P7",
    "a flag or tags shown to a visitor",
    changed(
      { kind: "snapshot", connection: "visitor#2" },
      { chats: [{ chat: "chat", as: "open", severity: 7, messages: [] }] },
    ),
  ],
  [
    "P7",
    "an event for others",
    added(20_450, received("other#1", "visitor_goes_online", { chat: "chat", about: "visitor" })),
  ],
  [
    "P7",
    "an event for others",
    added(20_450, received("visitor#1", "visitor_goes_online", { chat: "chat", about: "visitor" })),
  ],
  [
    "P7",
    "an event for others",
    added(20_450, received("admin#1", "visitor_goes_offline", { chat: "chat", about: "agent" })),
  ],
  [
    "P7",
    "an event for others",
    added(75_000, received("admin#1", "visitor_goes_online", { chat: "chat", about: "visitor" })),
  ],
  [
    "P7",
    "an event of another organisation",
    added(20_450, received("outsider#1", "visitor_goes_offline", { chat: "chat", about: "visitor" })),
  ],
];

test.each(violations)("%s: finds %s", (promise, what, doctor) => {
  const { findings } = check(doctor(rightLedger()));
  expect(findings).toContainEqual({ promise, what, t: expect.any(Number), about: expect.any(String) });
});

const allowed: [why: string, doctor: Doctor][] = [
  [
    "a visitor's signal to all staff just before the chat was claimed",
    added(2_300, received("other#1", "visitor_goes_online", { chat: "chat", about: "visitor" })),
  ],
];

test.each(allowed)("has no finding for %s", (_, doctor) => {
  expect(check(doctor(rightLedger())).findings).toEqual([]);
});
