// The checker's expectations and the product's audience table are written independently: neither may change alone.
import { expect, test } from "vitest";
import { announcementsOf } from "../../src/chat/announcements.ts";
import { followerRooms, followers, receivers, roomsOf } from "../../src/chat/audience.ts";
import type { Entry } from "../../src/chat/entry.ts";
import { kinds } from "../../src/chat/kinds.ts";
import type { Caller, Chat } from "../../src/chat/ports.ts";
import { visitorSignal } from "../../src/chat/signals.ts";
import { createVisitorsView } from "../../src/chat/visitors-view.ts";
import type { ChatMessage, ChatStatus, Staff, Visitor } from "../../src/contract/models.ts";
import {
  audiencesOf,
  followersOf,
  isVisitorSignal,
  type Staff as StaffUsers,
  staffByOrganisation,
} from "./audience.ts";
import type { Flag, Row, RowKind } from "./history.ts";
import type { User } from "./ledger.ts";

const times = { created_at: 1, updated_at: null };
const staff = (
  [
    ["admin", 1],
    ["supervisor", 2],
    ["otherSupervisor", 2],
    ["agent", 3],
    ["otherAgent", 3],
  ] as const
).map(
  ([id, role_id]): Staff => ({
    ...{ id, role_id, full_name: id, display_name: null, email: `${id}@shop.example`, organisation_id: "shop" },
    ...{ disabled: false, ...times },
  }),
);
const outsider: Staff = { ...(staff[0] as Staff), id: "outsider", organisation_id: "another shop" };
const [visitor, otherVisitor] = ["visitor", "otherVisitor"].map(
  (id): Visitor => ({ id, name: id, email: null, is_anonymous: true, disabled: false, ...times }),
) as [Visitor, Visitor];

const callers: Caller[] = [
  ...[...staff, outsider].map((user): Caller => {
    return { kind: "staff", user, organisationId: user.organisation_id, connectionId: null };
  }),
  ...[visitor, otherVisitor].map(
    (user): Caller => ({ kind: "visitor", user, organisationId: "shop", connectionId: null }),
  ),
];
const users = callers.map(({ kind, user, organisationId: organisation }): User => {
  return { user: user.id, role: kind === "staff" ? user.role_id : 0, organisation, name: user.id };
});
const shopStaff: StaffUsers = staffByOrganisation({ users: new Map(users.map((user) => [user.user, user])) })("shop");

const staffOf = (id: string | null): Staff | null => staff.find((one) => one.id === id) ?? null;
function chatIn(status: ChatStatus, servedBy: string | null, lastNumber: number): Chat {
  const room = { id: "chat", visitor_id: visitor.id, tags: [], severity_level: 1, ...times };
  return { organisationId: "shop", status, room, visitor, staff: staffOf(servedBy), lastNumber };
}

/** The same event of a chat, as the checker and as the product have it. */
type Case = { row: Pick<Row, "kind" | "number" | "sender" | "servedBefore"> | Pick<Flag, "kind">; entry: Entry };

function rowCase(kind: RowKind, sender: string, { number = 5, before, after = before }: Served): Case {
  const status = kind.endsWith("Left") ? "closed" : after === null ? "unclaimed" : "claimed";
  const base = { chat: chatIn(status, after, number), number, cause: "person" as const };
  const row = { kind, number, sender, servedBefore: before };
  const message: ChatMessage = {
    ...{ id: "m", chat_id: "chat", sequence_num: number, type_id: 1, content: {}, ...times },
    sender: sender === visitor.id ? null : sender,
  };
  if (kind === "message") return { row, entry: { ...base, kind, message } };
  if (kind === "claimed") return { row, entry: { ...base, kind, messages: [] } };
  if (kind === "takenOver") return { row, entry: { ...base, kind, from: staffOf(before) as Staff } };
  if (kind === "visitorIdentified") return { row, entry: { ...base, kind, formerId: otherVisitor.id } };
  return { row, entry: { ...base, kind } };
}
type Served = { number?: number; before: string | null; after?: string | null };

const flagCases = (["unclaimed", "claimed", "closed"] as const).flatMap((status) =>
  staff.map((by): Case => {
    const chat = chatIn(status, status === "unclaimed" ? null : "agent", 5);
    return { row: { kind: "flagged" }, entry: { kind: "flagged", chat, number: 1, cause: "person", by } };
  }),
);
const cases: Case[] = [
  rowCase("message", "visitor", { number: 1, before: null }),
  rowCase("message", "visitor", { before: null }),
  rowCase("visitorLeft", "visitor", { before: null }),
  rowCase("visitorIdentified", "visitor", { before: null }),
  ...staff.flatMap(({ id }) => [
    rowCase("claimed", id, { before: null, after: id }),
    rowCase("message", "visitor", { before: id }),
    rowCase("message", id, { before: id }),
    rowCase("staffLeft", id, { before: id }),
    rowCase("visitorLeft", "visitor", { before: id }),
    rowCase("visitorIdentified", "visitor", { before: id }),
    ...staff
      .filter((other) => other.role_id < (staffOf(id)?.role_id ?? 0))
      .map((other) => rowCase("takenOver", other.id, { before: id, after: other.id })),
  ]),
  ...flagCases,
];
const nameOf = ({ row, entry }: Case) =>
  "sender" in row
    ? `${row.kind} number ${row.number} by ${row.sender}, served by ${row.servedBefore}`
    : `${row.kind} by ${(entry as { by: Staff }).by.id}, ${entry.chat.status}`;

/** "user event" for each event that a user receives. */
const deliveriesOf = (entry: Entry) =>
  announcementsOf(entry, createVisitorsView("profile")).flatMap(({ event, rooms, except }) =>
    callers
      .filter((caller) => {
        const own = roomsOf(caller);
        return own.some((room) => rooms.includes(room as never)) && !own.some((room) => except.includes(room));
      })
      .map(({ user }) => `${user.id} ${event}`),
  );

test.each(cases.map((one): [string, Case] => [nameOf(one), one]))(
  "the checker and the product name the same receivers of: %s",
  (_, { row, entry }) => {
    const expected = audiencesOf(row, { visitor: visitor.id }, shopStaff).flatMap((audience) =>
      [...audience].map(([user, event]) => `${user} ${event}`),
    );
    expect(deliveriesOf(entry).sort()).toEqual(expected.sort());
  },
);

test("the cases above have every kind of entry and every event of the product's table", () => {
  expect(new Set(cases.map(({ entry }) => entry.kind))).toEqual(new Set(Object.keys(kinds)));
  const events = cases.flatMap(({ entry }) => deliveriesOf(entry).map((delivery) => delivery.split(" ")[1]));
  expect(new Set(events)).toEqual(new Set(Object.keys(receivers)));
});

const states = (Object.keys(followers.conversation) as ChatStatus[]).flatMap((status): [ChatStatus, string | null][] =>
  status === "unclaimed" ? [[status, null]] : staff.map(({ id }) => [status, id]),
);
const inRooms = (rooms: readonly string[]) =>
  callers.filter((caller) => roomsOf(caller).some((room) => rooms.includes(room))).map(({ user }) => user.id);

test.each(states)("the checker and the product name the same followers of a chat %s by %s", (status, servedBy) => {
  const members = { organisationId: "shop", visitorId: visitor.id, staffId: servedBy };
  const expected = followersOf(status, { visitor: visitor.id, servedBy }, shopStaff);
  expect(inRooms(followerRooms("conversation", status, members)).sort()).toEqual(expected.sort());

  const [flagAudience] = audiencesOf({ kind: "flagged" }, { visitor: visitor.id }, shopStaff);
  expect(inRooms(followerRooms("internal", status, members)).sort()).toEqual([...(flagAudience?.keys() ?? [])].sort());

  for (const event of ["visitor_goes_online", "visitor_goes_offline"] as const) {
    expect(isVisitorSignal(event)).toBe(true);
    const { rooms, except } = visitorSignal(event, chatIn(status, servedBy, 5));
    expect(except).toEqual([]);
    expect(inRooms(rooms).sort()).toEqual(expected.filter((user) => user !== visitor.id).sort());
  }
});
