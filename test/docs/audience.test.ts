// The tables of recipients, followers and kinds in the documents, against the code.
import { expect, test } from "vitest";
import { followers, type Group, receivers } from "../../src/chat/audience.ts";
import { kinds } from "../../src/chat/kinds.ts";
import { serverEvents } from "../../src/contract/events.ts";
import { tableOf } from "../support/pages.ts";

const words: Record<Group, string> = {
  visitor: "the visitor",
  serving: "the serving staff",
  previous: "the former serving staff",
  allStaff: "all staff",
  monitors: "the monitors",
};
const inWords = (groups: readonly Group[] = []) => groups.map((group) => words[group]).join(", ") || "–";

/** With the receivers while nobody serves the chat, where these are others. */
const byState = (to: readonly Group[], queued?: readonly Group[]) =>
  queued ? `of a queued chat: ${inWords(queued)}; of a claimed chat: ${inWords(to)}` : inWords(to);

/** Signals and snapshots are no entries of a chat. */
const staffSignal = ["all staff", "the staff member in the event"];
const { unclaimed, claimed } = followers.conversation;
const isStaff = (group: Group) => group !== "visitor";
const visitorSignal = [
  `of a queued chat: ${inWords(unclaimed.filter(isStaff))}; of a claimed chat: ${inWords(claimed.filter(isStaff))}`,
  "–",
];
const others = {
  staff_init: ["the connection itself", "–"],
  visitor_init: ["the connection itself", "–"],
  staff_goes_online: staffSignal,
  staff_goes_offline: staffSignal,
  visitor_goes_online: visitorSignal,
  visitor_goes_offline: visitorSignal,
};

const expected: Record<string, string[]> = {
  ...Object.fromEntries(
    Object.entries<{ to: readonly Group[]; except?: readonly Group[]; queued?: readonly Group[] }>(receivers).map(
      ([event, { to, except, queued }]) => [event, [byState(to, queued), inWords(except)]],
    ),
  ),
  ...others,
};

test("docs/PROTOCOL.md names the recipients of each event as the audience table does", () => {
  const rows = tableOf("docs/PROTOCOL.md", "Recipients").map(([event, ...cells]) => [
    event?.replaceAll("`", ""),
    cells,
  ]);
  expect(rows.length).toBe(Object.keys(serverEvents).length);
  expect(Object.fromEntries(rows)).toEqual(expected);
});

test("docs/ARCHITECTURE.md names the followers of each log as the audience table does", () => {
  const stated = Object.entries(followers).map(([log, of]) => [
    log,
    ...(["unclaimed", "claimed", "closed"] as const).map((status) => inWords(of[status])),
  ]);
  expect(tableOf("docs/ARCHITECTURE.md", "The audience table")).toEqual(stated);
});

test("docs/ARCHITECTURE.md lists each kind of entry once, with its log and the fields of its data", () => {
  const stated = Object.entries(kinds).map(([kind, { log, data }]) => {
    const fields = Object.keys(data.properties).map((field) => `\`${field}\``);
    return [`\`${kind}\``, log, fields.join(", ") || "–"];
  });
  const listed = tableOf("docs/ARCHITECTURE.md", "The log of a chat").map((cells) => cells.slice(0, 3));
  expect(listed).toEqual(stated);
});

test("the AsyncAPI document names the same recipients", () => {
  for (const [event, { to }] of Object.entries(serverEvents)) {
    if (event === "staff_init" || event === "visitor_init") continue;
    const [receivedBy, except] = expected[event] ?? [];
    expect(to, event).toBe(except === "–" ? receivedBy : `${receivedBy}, except ${except}`);
  }
});
