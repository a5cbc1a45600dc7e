import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { createOutbox } from "../../../sdk/src/connection/outbox.ts";
import type { Session } from "../../../sdk/src/connection/session.ts";
import { createFollower } from "../../../sdk/src/tabs/follower.ts";
import type { OutboxEntry } from "../../../sdk/src/types.ts";

test("a message from another tab that comes before the storage is read keeps its place", async () => {
  const entryOf = (key: string): OutboxEntry => ({ key, owner: "me", chatId: null, content: key, at: 1 });
  let read = (_: OutboxEntry[]) => {};
  const storage = {
    load: () =>
      new Promise<OutboxEntry[]>((resolve) => {
        read = resolve;
      }),
    put: async () => {},
    remove: async () => {},
  };
  const sent: unknown[] = [];
  const session = {
    isOnline: () => true,
    epoch: () => 1,
    emit(_: string, [content]: unknown[]) {
      sent.push(content);
    },
  } as unknown as Session;
  const shown: string[] = [];
  const outbox = createOutbox(
    {
      ...{ options: { url: "http://chat.example", token: async () => null }, role: "visitor", state: () => null },
      deliver: (input) => void (input.kind === "entry" && input.state === "queued" && shown.push(input.entry.key)),
    },
    () => session,
    storage,
  );
  const using = outbox.use("me");
  // The other tab's next messages are in the storage already, and on their way.
  outbox.add(entryOf("a"));
  read([entryOf("a"), entryOf("b")]);
  await using;
  outbox.add(entryOf("b"));
  outbox.add(entryOf("c"));
  await setTimeout(1);
  expect(shown).toEqual(["a", "b"]);
  expect(sent).toEqual(["a"]);
});

test("a new leader gets no call before the former calls, which wait for the storage", async () => {
  let read = (_: Set<string>) => {};
  const made: boolean[] = [];
  const follower = createFollower({
    ...{ tab: 1, calls: new Map(), apply() {}, post() {}, steal() {} },
    makeAll: () => void made.push(follower.hasLeader()),
    stored: () =>
      new Promise((resolve) => {
        read = resolve;
      }),
  });
  follower.receive({ kind: "pong", leader: "new", count: 0, isWell: true });
  expect(follower.hasLeader()).toBe(false);
  expect(made).toEqual([]);
  read(new Set());
  await setTimeout(1);
  expect(made).toEqual([true]);
});
