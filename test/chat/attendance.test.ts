import { expect, test } from "vitest";
import { createAttendance } from "../../src/chat/attendance.ts";
import type { ChatPorts } from "../../src/chat/ports.ts";
import type { People } from "../../src/identity/accounts.ts";
import { createMemoryPresence } from "../../src/presence/memory.ts";

const user = { kind: "staff" as const, id: "agent", organisationId: "shop" };

/** The least of an attendance for users that came online and can't be looked up. */
function attendanceWith(staff: People["staff"]) {
  const presence = { ...createMemoryPresence(), touch: async () => [user] };
  const faults: unknown[] = [];
  const people = { staff, visitors: async () => [] };
  const options = { reconnectGraceMs: 0, onFault: (error: unknown) => faults.push(error) };
  return { faults, attendance: createAttendance(presence, people, {} as ChatPorts, options) };
}

// Otherwise the lease would end, and all users here would count as offline.
test("a touch doesn't wait for the database to look up users who came online", async () => {
  const { attendance } = attendanceWith(() => new Promise(() => {}));
  await attendance.touch();
});

test("a failure of that lookup is reported by itself", async () => {
  const { attendance, faults } = attendanceWith(() => Promise.reject(new Error("away")));
  await attendance.touch();
  await expect.poll(() => faults).toEqual([new Error("away")]);
});

/** A user to evict, and what is asked of the chats for it. */
function leaving(kind: "staff" | "visitor") {
  const presence = createMemoryPresence();
  const ref = { kind, id: "somebody", organisationId: "shop" };
  /** The chats that they take part in, and the closed ones. */
  const state = { open: ["before"], left: [] as unknown[], isStalled: Promise.resolve() };
  const leave = async (chatId: unknown) => {
    await state.isStalled;
    state.left.push(chatId);
    return null;
  };
  const chats = {
    servedBy: async () => [...state.open],
    openedBy: async () => [...state.open],
    openChatsOf: async () => [],
    leaveAsStaff: async ({ chatId }: { chatId: string }) => {
      await leave(chatId);
      return { outcome: "again" };
    },
    leaveAsVisitor: async (_visitorId: string, { chatId }: { chatId?: string }) => leave(chatId),
  };
  const person = async () => [{ id: "somebody", organisation_id: "shop" }];
  const ports = { chats, signal() {}, announce() {} } as unknown as ChatPorts;
  const people = { staff: person, visitors: person } as unknown as People;
  const attendance = createAttendance(presence, people, ports, { reconnectGraceMs: 0, onFault: () => {} });
  return { attendance, presence, ref, state };
}

test.each(["staff", "visitor"] as const)(
  "a stalled eviction leaves no chat that a %s has begun since the decision",
  async (kind) => {
    const { attendance, presence, ref, state } = leaving(kind);
    await presence.join(ref, "a");
    const { promise, resolve } = Promise.withResolvers<void>();
    state.isStalled = promise;
    const lost = attendance.lose(ref, "a", { isChoice: true });
    await expect.poll(async () => (await presence.online("shop")).users).toEqual([ref]);
    await presence.join(ref, "b");
    state.open = ["since"];
    resolve();
    await lost;
    expect(state.left).toEqual(["before"]);
  },
);

test("a user who comes back while another user's eviction fails is announced as online again", async () => {
  const delivered: unknown[] = [];
  const back = { kind: "staff" as const, id: "back", organisationId: "shop" };
  const presence = {
    ...createMemoryPresence(),
    sweep: async () => ({ back: [back], failures: [new Error("another one")] }),
  };
  const people = { staff: async (ids: string[]) => ids.map((id) => ({ id, organisation_id: "shop" })) };
  const ports = { signal: (_id: string, announcement: { event: string }) => delivered.push(announcement.event) };
  const attendance = createAttendance(presence, people as unknown as People, ports as unknown as ChatPorts, {
    ...{ reconnectGraceMs: 0, onFault: () => {} },
  });
  await expect(attendance.sweep()).rejects.toThrow("Not every user");
  expect(delivered).toEqual(["staff_goes_online"]);
});
