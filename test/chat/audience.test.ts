// The audience table: what the parts of it say fits together, and what the database finds by it is the same.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FollowerGroup, followers, type Group, receivers, type StaffEvent } from "../../src/chat/audience.ts";
import { kinds, kindsOf } from "../../src/chat/kinds.ts";
import type { Announcement, ChatStore, LogName, Scope, VisitorRoomName } from "../../src/chat/ports.ts";
import { visitorRoom } from "../../src/chat/rooms.ts";
import { serverEvents } from "../../src/contract/events.ts";
import { type ChatStatus, statuses } from "../../src/contract/models.ts";
import { connectPostgres, type Database } from "../../src/store/prisma.ts";
import { createStore, newId } from "../../src/store/store.ts";
import { createDatabase } from "../support/services.ts";
import { createOrganisation, type Organisation } from "../support/world.ts";

const groups: FollowerGroup[] = ["visitor", "serving", "allStaff", "monitors"];

test("every event of a chat is one that the contract has", () => {
  for (const event of Object.keys(receivers)) expect(Object.keys(serverEvents)).toContain(event);
});

test("no event of the internal log is for a visitor, and no visitor follows it", () => {
  expect(kindsOf("internal")).toContain("flagged");
  for (const status of statuses) expect(followers.internal[status]).not.toContain("visitor");
  const ofFlag = receivers.chat_has_changed_priority_for_supervisor.to as readonly Group[];
  expect(ofFlag).not.toContain("visitor");
});

test("the compiler refuses what isn't for a visitor in a visitor's room", () => {
  // @ts-expect-error: a visitor receives this event, so no kind of the internal log may have it.
  const event: StaffEvent = "visitor_send";
  const rooms: VisitorRoomName[] = [visitorRoom("v")];
  // @ts-expect-error: only what a visitor's view has made is a payload for a visitor's room.
  const announcement: Announcement = { event, payload: { user: {} }, rooms, except: [] };
  expect(announcement.rooms).toEqual(rooms);
});

test.each(Object.keys(kinds))("%s belongs to one log", (kind) => {
  const logs: LogName[] = ["conversation", "internal"];
  expect(logs.filter((log) => kindsOf(log).some((one) => one === kind))).toHaveLength(1);
});

// An entry with fewer receivers must not end what its chat's followers get.
test.each([
  ["unclaimed", ["append_unclaimed_chats"]],
  ["unclaimed", ["visitor_unclaimed_msg"]],
  ["claimed", ["visitor_send", "new_visitor_msg_for_supervisor"]],
  ["claimed", ["staff_send", "new_staff_msg_for_supervisor"]],
] as const)("in a chat that is %s the receivers of %s are its followers", (status, events) => {
  const to = new Set(events.flatMap((event): readonly Group[] => receivers[event].to));
  expect([...to].sort()).toEqual([...followers.conversation[status]].sort());
});

describe("the progress that the database finds", () => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let connected: Database;
  let chats: ChatStore;
  let organisation: Organisation;
  const ids = {} as Record<ChatStatus, { chatId: string; visitorId: string }>;

  beforeAll(async () => {
    database = await createDatabase();
    connected = connectPostgres(database.url);
    const store = createStore(connected);
    ({ chats } = store);
    organisation = await createOrganisation(store);
    const by = (chatId: string) => ({ organisationId: organisation.id, chatId, staffId: organisation.agent.id });
    for (const status of statuses) {
      const { id: visitorId } = await organisation.visitor();
      const opened = await chats.open({
        ...{ id: newId(), organisationId: organisation.id, senderId: visitorId, chatId: null, content: { n: 1 } },
      });
      const chatId = opened?.chat.room.id ?? "";
      if (status !== "unclaimed") await chats.claim(by(chatId));
      if (status === "closed") await chats.leaveAsStaff(by(chatId));
      ids[status] = { chatId, visitorId };
    }
  });
  afterAll(async () => {
    await connected?.close();
    await database?.drop();
  });

  const scopeOf = (group: FollowerGroup, status: ChatStatus, since: number): Scope => {
    const none: Scope["groups"] = { visitor: [], serving: [], allStaff: [], monitors: [] };
    const id = { visitor: ids[status].visitorId, serving: organisation.agent.id }[group as string] ?? organisation.id;
    return { groups: { ...none, [group]: [id] }, chatIds: [], since };
  };
  const later = () => Date.now() + 60_000;

  test.each(groups.flatMap((group) => statuses.map((status) => [group, status] as const)))(
    "for %s has a chat that is %s exactly when they follow one of its logs",
    async (group, status) => {
      const found = await chats.progress(scopeOf(group, status, later()));
      const follow = [followers.conversation, followers.internal].some((of) =>
        (of[status] as readonly Group[]).includes(group),
      );
      // A chat at rest in the internal log isn't looked at again and again.
      const isExpected = follow && status !== "closed";
      expect(found.some(({ chatId }) => chatId === ids[status].chatId)).toBe(isExpected);
    },
  );

  test("has a closed chat for monitors while its last internal entry is new", async () => {
    const { chatId } = ids.closed;
    const before = Date.now() - 1_000;
    await chats.flag({ organisationId: organisation.id, chatId, staffId: organisation.agent.id, severityLevel: 3 });
    const [found] = await chats
      .progress(scopeOf("monitors", "closed", before))
      .then((all) => all.filter((one) => one.chatId === chatId));
    expect(found).toMatchObject({ status: "closed", last: { conversation: 3, internal: 1 } });
    expect(await chats.starts([chatId], before)).toEqual(new Map([[chatId, { conversation: 1, internal: 0 }]]));
    expect(await chats.starts([chatId], later())).toEqual(new Map([[chatId, { conversation: 1, internal: 1 }]]));
  });
});
