// Connections of protocol 2 that wait for a snapshot share reads and bytes.
import type { Socket } from "socket.io";
import { expect, test } from "vitest";
import type { Caller, ChatStore, ChatWithMessages, CountedList, StaffCaller } from "../../src/chat/ports.ts";
import { createVisitorsView } from "../../src/chat/visitors-view.ts";
import type { Staff, Visitor } from "../../src/contract/models.ts";
import { createSnapshots } from "../../src/realtime/snapshots.ts";

const staff = (id: string, role_id: 2 | 3) => ({ id, role_id, organisation_id: "A", full_name: id }) as Staff;
const callerOf = (user: Staff): StaffCaller => ({
  ...{ kind: "staff", organisationId: user.organisation_id, connectionId: null, user },
});
const [agent, otherAgent] = [staff("agent", 3), staff("other agent", 3)];
const [idle, otherIdle, busy] = [staff("idle", 2), staff("other idle", 2), staff("busy", 2)];
const visitor = { id: "v", name: "Vera" } as Visitor;

function chat(id: string, by: Staff | null): ChatWithMessages {
  const status = by ? "claimed" : "unclaimed";
  const room = { id, visitor_id: `of ${id}`, tags: [], severity_level: 0, created_at: 1, updated_at: null };
  const user = { id: `of ${id}`, name: id } as Visitor;
  return { organisationId: "A", status, room, visitor: user, staff: by, lastNumber: 7, messages: [] };
}
const queued = [chat("queued", null)];
const claimed = [chat("of agent", agent), chat("of busy", busy)];

function snapshots() {
  const reads: string[] = [];
  const listOf = (chats: ChatWithMessages[]): CountedList => {
    const servedBy = new Map(
      Map.groupBy(chats, (one) => one.staff?.id ?? null)
        .entries()
        .map(([id, { length }]) => [id, length]),
    );
    return { chats, total: chats.length, unreadable: [], servedBy };
  };
  const each = (name: string, of: (id: string) => ChatWithMessages[]) => async (ids: string[]) => {
    reads.push(`${name} ${ids}`);
    return ids.map((id) => listOf(of(id)));
  };
  const chats = {
    queuesForStaff: each("queue", () => queued),
    claimedForStaff: each("claimed", () => claimed),
    activeLately: each("own", (id) => claimed.filter((one) => one.staff?.id === id)),
    openChats: each("open", () => []),
    flagged: async () => ({ chats: [], unreadable: [] }),
  } as Partial<ChatStore> as ChatStore;
  const read = createSnapshots({
    ...{ chats, people: { staff: async () => [agent], visitors: async () => [] }, show: createVisitorsView("profile") },
    online: async (organisationId) => [
      { kind: "staff", id: "agent", organisationId },
      { kind: "visitor", id: "of queued", organisationId },
      { kind: "visitor", id: "of of busy", organisationId },
    ],
    now: () => 1_764_547_200_000,
    onFault: (error) => {
      throw error;
    },
  });
  return { reads, read };
}

/** Sends a snapshot to a connection. Answers the payload, and the buffers of the frame. */
async function sentTo(read: ReturnType<typeof snapshots>["read"], caller: Caller, protocol: 1 | 2 = 2) {
  const send = await read(caller, protocol);
  let frame: Buffer[] = [];
  let text = "";
  const client = {
    writeToEngine(texts: object[], options: { wsPreEncodedFrame: Buffer[] }) {
      [text, frame] = [String(texts[0]), options.wsPreEncodedFrame];
    },
  };
  send({ client, conn: { transport: { name: "polling" } } } as unknown as Socket);
  const [, payload] = JSON.parse(text.slice(1));
  return { payload, frame };
}

test("staff who wait together share each read; all agents share bytes, and so do all monitors without chats", async () => {
  const { reads, read } = snapshots();
  const callers = [agent, otherAgent, idle, otherIdle, busy].map(callerOf);
  const sent = await Promise.all(callers.map((caller) => sentTo(read, caller)));
  expect(reads.toSorted()).toEqual(["claimed A", "own agent,other agent,idle,other idle,busy", "queue A"]);
  const shared = sent.map(({ frame }) => frame[1]);
  // The monitor with a chat of their own has the agents' part, and the claimed chats of others beside it.
  expect(shared.map((buffer) => shared.indexOf(buffer))).toEqual([0, 0, 2, 2, 0]);
  const idsOf = (list: { room: { id: string } }[] | undefined) => list?.map(({ room }) => room.id);
  expect(
    sent.map(({ payload }) => [idsOf(payload.active_chats), idsOf(payload.monitored_chats), payload.monitored_total]),
  ).toEqual([
    [["of agent"], undefined, undefined],
    [[], undefined, undefined],
    [[], ["of agent", "of busy"], 2],
    [[], ["of agent", "of busy"], 2],
    [["of busy"], ["of agent"], 1],
  ]);
  const [, , monitor] = sent;
  expect(monitor?.payload).toMatchObject({ protocol: 2, server_time: 1_764_547_200_000, user: idle, settings: {} });
  const online = (list: { visitor_online: boolean }[]) => list.map((one) => one.visitor_online);
  expect([online(monitor?.payload.unclaimed_chats), online(monitor?.payload.monitored_chats)]).toEqual([
    [true],
    [false, true],
  ]);
});

test("nothing is read for monitors where none wait, and nothing of protocol 1", async () => {
  const { reads, read } = snapshots();
  await sentTo(read, callerOf(agent));
  expect(reads.toSorted()).toEqual(["own agent", "queue A"]);
});

test("a visitor's connections of both protocols share one read; connections of one protocol share one packet", async () => {
  const { reads, read } = snapshots();
  const caller: Caller = { kind: "visitor", user: visitor, organisationId: "A", connectionId: null };
  const sent = await Promise.all(([1, 2, 2, 1] as const).map((protocol) => sentTo(read, caller, protocol)));
  expect(reads).toEqual(["open v"]);
  const packets = sent.map(({ frame }) => frame[0]);
  expect(packets.map((one) => packets.indexOf(one))).toEqual([0, 1, 1, 0]);
  expect(sent[0]?.payload).toEqual({ user: visitor, room: null, staff: null, messages: [] });
  expect(sent[1]?.payload).toEqual({
    ...{ protocol: 2, server_time: 1_764_547_200_000, user: visitor },
    ...{ room: null, staff: null, messages: [], messages_total: 0 },
  });
});
