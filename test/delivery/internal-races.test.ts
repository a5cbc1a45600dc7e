// Flags that come while chats are read: none may be lost, and none delivered twice.
import { expect, onTestFinished, test, vi } from "vitest";
import { followerRooms } from "../../src/chat/audience.ts";
import type { Caller, Chat, LogName, Progress, Scope } from "../../src/chat/ports.ts";
import { createVisitorsView } from "../../src/chat/visitors-view.ts";
import type { Staff, Visitor } from "../../src/contract/models.ts";
import { createGaps } from "../../src/delivery/gaps.ts";
import { newId } from "../../src/store/store.ts";

const times = { created_at: 1, updated_at: null };
const monitor: Staff = {
  ...{ id: "monitor", full_name: "Mona", display_name: null, email: "mona@example.com", role_id: 2, disabled: false },
  ...{ organisation_id: "o", ...times },
};
const visitor: Visitor = { id: "v", name: "Vic", email: null, is_anonymous: true, disabled: false, ...times };
const callers = {
  monitor: { kind: "staff", user: monitor, organisationId: "o", connectionId: "1" },
  agent: { kind: "staff", user: { ...monitor, id: "agent", role_id: 3 }, organisationId: "o", connectionId: "3" },
  visitor: { kind: "visitor", user: visitor, organisationId: "o", connectionId: "2" },
} satisfies Record<string, Caller>;

/** A process with a monitor's connection and, after `visitorConnects`, a visitor's. Its database is a fake with this visitor's chats. */
function aProcess() {
  const delivered: string[] = [];
  const startsRead: string[] = [];
  let messages = Promise.resolve();
  const here = new Set(["staff:monitor", "org:o:staff", "org:o:monitors"]);
  /** How many flags each chat has, and when the last one was set, in ms; now where nothing is said. */
  const chats = new Map<string, { flags: number; status: Chat["status"]; at?: number }>();
  let isRoom = true;
  let reading = async (scope: Scope) => progressOf(scope);
  const progressOf = ({ groups, chatIds, since }: Scope): Progress[] =>
    [...chats].flatMap(([chatId, { flags, status, at = Date.now() }]) => {
      const openedAt = Number.parseInt(chatId.slice(0, 12), 16);
      const isInScope =
        chatIds.includes(chatId) ||
        (groups.monitors.length > 0 && (status !== "closed" || at >= since)) ||
        (groups.visitor.length > 0 && (status !== "closed" || openedAt >= since));
      const last = { conversation: 1, internal: flags };
      return isInScope ? [{ chatId, organisationId: "o", visitorId: "v", staffId: null, status, last }] : [];
    });
  const gaps = createGaps({
    chats: {
      progress: (scope) => reading(scope),
      async starts(ids) {
        startsRead.push(...ids);
        return new Map(ids.map((id) => [id, { conversation: 0, internal: 0 }]));
      },
      messagesBefore: async () => [],
      async histories(log, wanted) {
        if (log === "conversation") await messages;
        return wanted.map(({ chatId, after }) => {
          const { flags, status } = chats.get(chatId) as { flags: number; status: Chat["status"] };
          const room = { id: chatId, visitor_id: "v", tags: [], severity_level: flags, ...times };
          const numbers = log === "internal" ? Array.from({ length: flags }, (_, n) => n + 1) : [];
          return {
            chat: { organisationId: "o", status, room, visitor, staff: null, lastNumber: 1 },
            entries: numbers
              .filter((number) => number > after)
              .map((number) => ({
                ...{ number, kind: "flagged", cause: "person", actorId: "monitor", servedBy: null, message: null },
                data: { severity_level: number },
              })),
          };
        });
      },
    },
    people: { staff: async () => [monitor] },
    show: createVisitorsView("profile"),
    isHere: (room) => here.has(room),
    deliverHere: ({ event }) => void delivered.push(event),
    hasRoom: () => isRoom,
    lagMs: () => 0,
    onFound() {},
    onUnknown() {},
    onSetAside() {},
    onRepaired() {},
    onFault(error) {
      throw error;
    },
  });
  const receive = (log: LogName, chatId: string, number: number) => {
    const { status } = chats.get(chatId) as { status: Chat["status"] };
    const members = { organisationId: "o", visitorId: "v", staffId: null };
    gaps.receive(log, { chatId, number, followers: followerRooms(log, status, members) });
  };
  return {
    delivered,
    startsRead,
    gaps,
    receive,
    chats,
    /** Runs `meanwhile` after the next reading has seen the chats as they are, and before its result is there. */
    duringNextReading(meanwhile: () => void) {
      reading = async (scope) => {
        const seen = progressOf(scope);
        reading = async (next) => progressOf(next);
        meanwhile();
        return seen;
      };
    },
    /** No message can be read until the returned function is called. */
    stallMessages() {
      const { promise, resolve } = Promise.withResolvers<void>();
      messages = promise;
      return resolve;
    },
    /** Whether there is room for more beside the packets that wait for clients. */
    setRoom(is: boolean) {
      isRoom = is;
    },
    visitorConnects() {
      here.add("visitor:v");
      return gaps.follow(callers.visitor);
    },
  };
}
const FLAG = "chat_has_changed_priority_for_supervisor";
const anOldChat = () => `00${newId().slice(2)}`;

test("a lost flag reaches the monitors, though the chat's visitor connects before the comparison", async () => {
  const { gaps, chats, delivered, receive, visitorConnects } = aProcess();
  await gaps.follow(callers.monitor);
  const chatId = newId();
  chats.set(chatId, { flags: 0, status: "unclaimed" });
  receive("conversation", chatId, 1);
  chats.set(chatId, { flags: 1, status: "unclaimed" });
  await visitorConnects();
  await gaps.check({ atOnce: true });
  expect(delivered).toEqual([FLAG]);
});

test("a lost flag reaches the monitors, though its chat is closed and the visitor connects before the comparison", async () => {
  const { gaps, chats, delivered, receive, visitorConnects } = aProcess();
  await gaps.follow(callers.monitor);
  const chatId = newId();
  chats.set(chatId, { flags: 0, status: "unclaimed" });
  receive("conversation", chatId, 1);
  chats.set(chatId, { flags: 1, status: "closed" });
  receive("conversation", chatId, 2);
  await visitorConnects();
  await gaps.check({ atOnce: true });
  expect(delivered).toEqual([FLAG]);
});

test("a monitor doesn't receive the flags of their snapshot again, though another agent was here before", async () => {
  const { gaps, chats, delivered, receive } = aProcess();
  await gaps.follow(callers.agent);
  const chatId = newId();
  chats.set(chatId, { flags: 0, status: "unclaimed" });
  receive("conversation", chatId, 1);
  chats.set(chatId, { flags: 2, status: "unclaimed" });
  await gaps.follow(callers.monitor);
  await gaps.check({ atOnce: true });
  expect(delivered).toEqual([]);
});

test("a lost flag of a closed chat is delivered once there is room, however long there was none", async () => {
  onTestFinished(() => void vi.useRealTimers());
  vi.useFakeTimers({ toFake: ["Date"] });
  const { gaps, chats, delivered, setRoom } = aProcess();
  await gaps.follow(callers.monitor);
  chats.set(anOldChat(), { flags: 1, status: "closed", at: Date.now() });
  setRoom(false);
  for (let minutes = 0; minutes < 3; minutes++) {
    await gaps.check({ atOnce: true });
    vi.setSystemTime(Date.now() + 60_000);
  }
  expect(delivered).toEqual([]);
  setRoom(true);
  await gaps.check({ atOnce: true });
  expect(delivered).toEqual([FLAG]);
});

test("a chat's first flag that arrives while chats are compared isn't delivered again", async () => {
  const { gaps, chats, delivered, receive, duringNextReading } = aProcess();
  await gaps.follow(callers.monitor);
  const chatId = anOldChat();
  duringNextReading(() => {
    chats.set(chatId, { flags: 1, status: "closed" });
    receive("internal", chatId, 1);
  });
  await gaps.check({ atOnce: true });
  await gaps.check({ atOnce: true });
  expect(delivered).toEqual([]);
});

test("a flag of a known chat that arrives while chats are compared isn't delivered again", async () => {
  const { gaps, chats, delivered, receive, duringNextReading } = aProcess();
  await gaps.follow(callers.monitor);
  const chatId = anOldChat();
  chats.set(chatId, { flags: 0, status: "claimed" });
  await gaps.check({ atOnce: true });
  chats.delete(chatId);
  duringNextReading(() => {
    chats.set(chatId, { flags: 1, status: "closed" });
    receive("internal", chatId, 1);
  });
  await gaps.check({ atOnce: true });
  await gaps.check({ atOnce: true });
  expect(delivered).toEqual([]);
});

test("flags are repaired while the messages of the same outage still are", async () => {
  const { gaps, chats, delivered, stallMessages } = aProcess();
  await gaps.follow(callers.monitor);
  const chatId = newId();
  chats.set(chatId, { flags: 1, status: "unclaimed" });
  const resume = stallMessages();
  const check = gaps.check({ atOnce: true });
  await expect.poll(() => delivered).toEqual([FLAG]);
  resume();
  await check;
});

test("only a chat with internal entries is read for the start of its internal log, which is then repaired", async () => {
  const { gaps, chats, delivered, startsRead } = aProcess();
  await gaps.follow(callers.monitor);
  const [flagged, unflagged] = [anOldChat(), newId()];
  chats.set(flagged, { flags: 1, status: "closed" });
  chats.set(unflagged, { flags: 0, status: "claimed" });
  await gaps.check({ atOnce: true });
  expect(startsRead).toEqual([flagged]);
  expect(delivered).toEqual([FLAG]);
});
