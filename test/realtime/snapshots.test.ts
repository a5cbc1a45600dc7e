import type { Socket } from "socket.io";
import { expect, test } from "vitest";
import type { ChatList, ChatStore, ChatWithMessages, StaffCaller, VisitorCaller } from "../../src/chat/ports.ts";
import { createVisitorsView } from "../../src/chat/visitors-view.ts";
import type { Staff, Visitor } from "../../src/contract/models.ts";
import type { People } from "../../src/identity/accounts.ts";
import { createSnapshots } from "../../src/realtime/snapshots.ts";

const staffCaller = (id: string, organisationId: string): StaffCaller => ({
  ...{ kind: "staff", organisationId, connectionId: null },
  user: { id, organisation_id: organisationId } as Staff,
});
const chat = (id: string, organisationId: string, staffId?: string) =>
  ({
    ...{ organisationId, room: { id }, visitor: { id: `visitor of ${id}` } as Visitor, messages: [] },
    staff: staffId ? { id: staffId } : null,
  }) as unknown as ChatWithMessages;

/** A store whose queues are read when the test says so. */
function store() {
  const chats: ChatWithMessages[] = [];
  const faults: unknown[] = [];
  /** Names of users who are online as well, and can't be read. */
  const poisoned: string[] = [];
  const readings: (() => void)[] = [];
  /** The visitors whose open chats each statement read. */
  const reads: string[][] = [];
  const listOf = (all: ChatWithMessages[]): ChatList => ({ chats: all, total: all.length, unreadable: [] });
  const stub = {
    queues(ids: string[]) {
      const read = ids.map((id) =>
        listOf(chats.filter(({ staff, organisationId }) => !staff && id === organisationId)),
      );
      return new Promise<ChatList[]>((resolve) => readings.push(() => resolve(read)));
    },
    active: async (ids: string[]) => {
      if (ids.some((id) => id.includes("bad"))) throw new Error("can't be read");
      return ids.map((id) => listOf(chats.filter(({ staff }) => staff?.id === id)));
    },
    openChats: async (ids: string[]) => {
      reads.push(ids);
      if (ids.some((id) => id.includes("bad"))) throw new Error("can't be read");
      return ids.slice(0, 2).map((id) => listOf([{ ...chat(`of ${id}`, "A"), visitor: { id } as Visitor }]));
    },
    flagged: async () => ({ chats: [], unreadable: [] }),
  } as Partial<ChatStore> as ChatStore;
  const people: People = {
    staff: async (ids) => {
      if (ids.some((id) => id.includes("bad"))) throw new Error("can't be read");
      return ids.map((id) => ({ id, organisation_id: id.slice(0, 1) }) as Staff);
    },
    visitors: async () => [],
  };
  const readSnapshot = createSnapshots({
    ...{ chats: stub, people, show: createVisitorsView("profile"), now: () => 1 },
    online: async (organisationId) =>
      ["online", ...poisoned].map((name) => ({ kind: "staff", id: `${organisationId} ${name}`, organisationId })),
    onFault: (error) => faults.push(error),
  });
  const read = (caller: StaffCaller | VisitorCaller) => readSnapshot(caller, 1);
  return { faults, poisoned, chats, readings, reads, read };
}

type Sent = { texts: string[]; frames: Buffer[][] };
/** The packets that a connection gets with its snapshot. */
function sentBy(send: (socket: Socket) => void): { snapshot: Record<string, { room: { id: string } }[]> } & Sent {
  const sent: Sent = { texts: [], frames: [] };
  const client = {
    writeToEngine(texts: object[], options: { wsPreEncodedFrame: Buffer[] }) {
      sent.texts.push(...texts.map(String));
      sent.frames.push(options.wsPreEncodedFrame);
    },
  };
  send({ client, conn: { transport: { name: "polling" } } } as unknown as Socket);
  const [event, snapshot] = JSON.parse(sent.texts[0]?.slice(1) ?? "[]");
  expect(event).toMatch(/^(staff|visitor)_init$/);
  return { ...sent, snapshot };
}
const idsOf = (chats: { room: { id: string } }[] | undefined) => chats?.map(({ room }) => room.id);

test("a client that comes while a reading is under way gets what has changed since it began", async () => {
  const { chats, readings, read } = store();
  const early = read(staffCaller("early", "A"));
  await expect.poll(() => readings.length).toBe(1);
  chats.push(chat("new", "A"));
  const late = read(staffCaller("late", "A"));
  readings[0]?.();
  expect(idsOf(sentBy(await early).snapshot.unclaimed_chats)).toEqual([]);
  await expect.poll(() => readings.length).toBe(2);
  readings[1]?.();
  expect(idsOf(sentBy(await late).snapshot.unclaimed_chats)).toEqual(["new"]);
});

test("staff who come together share a reading: each gets their own organisation's queue, and only their own chats", async () => {
  const { chats, readings, read } = store();
  chats.push(chat("queued in A", "A"), chat("queued in B", "B"), chat("of 1", "A", "1"), chat("of 3", "B", "3"));
  const callers = [staffCaller("1", "A"), staffCaller("2", "A"), staffCaller("3", "B"), staffCaller("4", "A")];
  const reading = Promise.all(callers.map(read));
  await expect.poll(() => readings.length).toBe(1);
  readings[0]?.();
  const sent = (await reading).map(sentBy);
  expect(readings).toHaveLength(1);
  const seen = sent.map(({ snapshot }) => [snapshot.online_users, snapshot.unclaimed_chats, snapshot.active_chats]);
  expect(seen.map(([online, queue, active]) => [online, idsOf(queue), idsOf(active)])).toEqual([
    [[{ id: "A online", organisation_id: "A" }], ["queued in A"], ["of 1"]],
    [[{ id: "A online", organisation_id: "A" }], ["queued in A"], []],
    [[{ id: "B online", organisation_id: "B" }], ["queued in B"], ["of 3"]],
    [[{ id: "A online", organisation_id: "A" }], ["queued in A"], []],
  ]);
  // The common part of an organisation is in the very same bytes for all its staff.
  expect(new Set([0, 1, 3].map((n) => sent[n]?.frames[0]?.[1])).size).toBe(1);
});

test("an organisation whose snapshot can't be read keeps nobody else's from being read", async () => {
  const { chats, readings, read } = store();
  const bad = chat("bad", "A");
  // JSON has no such number.
  Object.assign(bad, { messages: [{ content: 1n }] });
  chats.push(bad, chat("good", "B"));
  const reading = Promise.allSettled([staffCaller("1", "A"), staffCaller("2", "B")].map(read));
  for (let n = 0; n < 3; n++) {
    await expect.poll(() => readings.length).toBe(n + 1);
    readings[n]?.();
  }
  const [ofA, ofB] = await reading;
  expect(ofA).toMatchObject({ status: "rejected", reason: expect.any(TypeError) });
  if (ofB?.status !== "fulfilled") throw new Error("B has no snapshot");
  expect(idsOf(sentBy(ofB.value).snapshot.unclaimed_chats)).toEqual(["good"]);
});

test("a visitor or staff member whose chats can't be read keeps nobody else from getting a snapshot", async () => {
  const { readings, read } = store();
  const visitor = (id: string): VisitorCaller => ({
    ...{ kind: "visitor", organisationId: "A", connectionId: null, user: { id } as Visitor },
  });
  const ids = ["1", "2", "bad", "3", "4"];
  const ofVisitors = await Promise.allSettled(ids.map((id) => read(visitor(id))));
  const ofStaff = Promise.allSettled(ids.map((id) => read(staffCaller(id, "A"))));
  await expect.poll(() => readings.length).toBe(1);
  readings[0]?.();
  const expected = ids.map((id) => (id === "bad" ? "rejected" : "fulfilled"));
  expect(ofVisitors.map(({ status }) => status)).toEqual(expected);
  expect((await ofStaff).map(({ status }) => status)).toEqual(expected);
});

test("a user who can't be read is missing in what their organisation's staff are sent, and nobody else is", async () => {
  const { faults, poisoned, readings, read } = store();
  poisoned.push("bad", "third");
  const reading = read(staffCaller("1", "A"));
  await expect.poll(() => readings.length).toBe(1);
  readings[0]?.();
  const { snapshot } = sentBy(await reading);
  expect((snapshot.online_users as unknown as { id: string }[]).map(({ id }) => id)).toEqual(["A online", "A third"]);
  expect(faults).toHaveLength(1);
});

test("a visitor's connections share one reading and one packet; many visitors are read a few at a time", async () => {
  const { reads, read } = store();
  const caller = (id: string): VisitorCaller => ({
    ...{ kind: "visitor", organisationId: "A", connectionId: null, user: { id } as Visitor },
  });
  const all = ["1", "1", "2", "1", "3", "3", "4"];
  const sent = (await Promise.all(all.map((id) => read(caller(id))))).map(sentBy);
  expect(reads).toEqual([
    ["1", "2", "3", "4"],
    ["3", "4"],
  ]);
  expect(sent.map(({ snapshot }) => (snapshot.room as unknown as { id: string }).id)).toEqual(
    all.map((id) => `of ${id}`),
  );
  const packets = sent.map(({ frames }) => frames[0]?.[0]);
  expect(all.map((id) => packets[all.indexOf(id)])).toEqual(packets);
  expect(new Set(packets).size).toBe(4);
});
