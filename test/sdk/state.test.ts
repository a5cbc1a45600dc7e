import { describe, expect, test } from "vitest";
import { reader } from "../../sdk/src/state/convert.ts";
import { insert, prepend, renew } from "../../sdk/src/state/log.ts";
import { share } from "../../sdk/src/state/share.ts";
import { startVisitor, type VisitorCore, visitorReducer } from "../../sdk/src/state/visitor.ts";
import { createStore } from "../../sdk/src/store.ts";
import type { Message, VisitorEvents, VisitorState } from "../../sdk/src/types.ts";
import { createCast, settle, text } from "./cast.ts";
import { alex, roomOf, row, visitorInit } from "./line.ts";

type Content = { content: string };
const at = (...numbers: number[]) => numbers.map((seq) => ({ seq, by: "visitor", type: "text" }) as Message<Content>);
const seqs = (log: { rows: readonly Message<Content>[] } | null) => log?.rows.map(({ seq }) => seq);
const empty = { rows: [], floor: Number.POSITIVE_INFINITY, whole: 0 };

describe("the log of a chat", () => {
  test("late, repeated and overtaking messages end up once, by number", () => {
    let log = insert<Content>(empty, at(1, 2));
    for (const n of [5, 4, 5, 3, 4, 9]) log = insert(log, at(n));
    expect(seqs(log)).toEqual([1, 2, 3, 4, 5, 9]);
    expect(log).toMatchObject({ floor: 1, whole: 5 });
  });
  test("a repeated message changes nothing, and all stays identical", () => {
    const log = insert<Content>(empty, at(1, 2, 3));
    expect(insert(log, at(2)).rows).toBe(log.rows);
  });
  test("older pages stay when a snapshot joins on to them", () => {
    const log = insert<Content>({ ...empty, floor: 1 }, at(1, 2, 3, 4));
    expect(seqs(renew(log, at(5, 6), 6))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(seqs(renew(log, at(3, 4, 5), 5))).toEqual([1, 2, 3, 4, 5]);
  });
  test("older pages are dropped when a message may be missing between them and the snapshot", () => {
    const log = insert<Content>({ ...empty, floor: 1 }, at(1, 2, 3, 4));
    const renewed = renew(log, at(6, 7), 7);
    expect(seqs(renewed)).toEqual([6, 7]);
    expect(renewed.floor).toBe(6);
    // A hole before the snapshot counts as a missing message.
    expect(seqs(renew(insert(log, at(6)), at(7), 7))).toEqual([7]);
  });
  test("a message that is newer than the snapshot stays", () => {
    const log = insert<Content>({ ...empty, floor: 1 }, at(1, 2, 3));
    expect(seqs(renew(log, at(1, 2), 2))).toEqual([1, 2, 3]);
  });
  test("an older page joins on only at the first message, whatever happened meanwhile", () => {
    const log = renew<Content>(null, at(10, 11), 11);
    expect(seqs(prepend(log, at(8, 9), 10))).toEqual([8, 9, 10, 11]);
    const renewed = renew(log, at(30, 31), 31);
    expect(prepend(renewed, at(8, 9), 10)).toBeNull();
    expect(prepend(log, [], 10)).toMatchObject({ floor: 1 });
  });
});

describe("the state", () => {
  test("equal data stays identical, and everything is frozen", () => {
    const before = share(undefined, { a: [1, { b: 2 }], c: null as null | number });
    expect(share(before, structuredClone(before))).toBe(before);
    const after = share(before, { ...structuredClone(before), c: 1 });
    expect(after.a).toBe(before.a);
    expect(Object.isFrozen(after.a[1])).toBe(true);
  });

  /** The names of all parts that aren't frozen. */
  const unfrozen = (value: unknown, name = ""): string[] => {
    if (typeof value !== "object" || value === null || value instanceof Map || value instanceof Set) return [];
    const parts = Object.entries(value).flatMap(([part, inside]) => unfrozen(inside, `${name}.${part}`));
    return Object.isFrozen(value) ? parts : [name, ...parts];
  };

  test("the same snapshot again leaves the whole state identical", async () => {
    const { server, visitor, agent, supervisor } = createCast();
    const [vera, victor, robin, sam] = [visitor(), visitor("Victor"), agent(), supervisor()];
    await settle();
    vera.send(text("hello"));
    victor.send(text("hello"));
    await settle();
    robin.claim(vera.getSnapshot().chat?.id as string);
    await settle();
    robin.send(vera.getSnapshot().chat?.id as string, text("good day"));
    await settle();
    for (const user of ["Vera", "Alex", "Sam"]) server.snapshot(user);
    await settle();
    const clients = [vera, robin, sam];
    const before = clients.map((client) => client.getSnapshot());
    for (const state of before) expect(unfrozen(state)).toEqual([]);
    for (const user of ["Vera", "Alex", "Sam"]) server.snapshot(user);
    await settle();
    for (const [n, client] of clients.entries()) expect(client.getSnapshot()).toBe(before[n]);
  });

  test("content that can't be parsed stays as it came, and is reported", () => {
    const reduce = visitorReducer(
      reader<Content>(() => {
        throw new Error("no text");
      }),
    );
    const said: unknown[] = [];
    const say = (name: string, event: unknown) => said.push([name, event]);
    const payload = visitorInit({ room: roomOf("c1"), messages: [row("c1", 1)], messages_total: 1 });
    const core = reduce(startVisitor(), { kind: "event", name: "visitor_init", payload, at: 0 }, say as never);
    expect(core.view.chat?.messages).toMatchObject([{ content: { content: "text 1" } }]);
    expect(said).toMatchObject([["failed", { failure: { code: "unreadable", retryable: false } }]]);
  });

  test("1,000 messages reach a store with 50 subscribers within 50 ms, with one call each", async () => {
    const took: number[] = [];
    // The time of this thread, and the best of some: other tests run on the same machine.
    const spentMs = () => process.threadCpuUsage().user / 1000;
    for (let attempt = 0; attempt < 5; attempt++) {
      const store = createStore<VisitorState<Content>, VisitorCore<Content>, VisitorEvents<Content>>(
        startVisitor<Content>(),
        visitorReducer<Content>(reader()),
      );
      const init = visitorInit({ room: roomOf("c1"), staff: alex, messages: [row("c1", 1)], messages_total: 1 });
      store.apply({ kind: "event", name: "visitor_init", payload: init, at: 0 });
      await Promise.resolve();
      let calls = 0;
      for (let n = 0; n < 25; n++) store.subscribe(() => calls++);
      for (let n = 0; n < 25; n++) store.select(({ chat }) => chat?.messages.length).subscribe(() => calls++);
      const rows = Array.from({ length: 1000 }, (_, n) => row("c1", n + 2, { sender: "s1" }));
      const began = spentMs();
      for (const message of rows)
        store.apply({ kind: "event", name: "staff_send", payload: { user: alex, room: roomOf("c1"), message }, at: 0 });
      await Promise.resolve();
      took.push(spentMs() - began);
      expect(store.getSnapshot().chat?.messages).toHaveLength(1001);
      expect(store.getSnapshot().chat?.unread).toBe(1000);
      expect(calls).toBe(50);
    }
    expect(Math.min(...took)).toBeLessThan(50);
  });
});

describe("older messages", () => {
  test("are loaded page by page, while new ones come", async () => {
    const { server, visitor } = createCast({ snapshot: { visitorMessages: 5 } });
    const vera = visitor();
    await settle();
    for (let n = 1; n <= 70; n++) server.as("Vera").send(text(`${n}`));
    server.snapshot("Vera");
    await settle();
    await vera.stop();
    vera.start();
    await settle();
    const shown = () => vera.getSnapshot().chat?.messages.map(({ seq }) => seq) as number[];
    const again = visitor("Vera");
    await settle();
    expect(again.getSnapshot().chat).toMatchObject({ older: "some" });
    expect(again.getSnapshot().chat?.messages).toHaveLength(5);
    const loading = again.loadOlder();
    expect(again.getSnapshot().chat?.older).toBe("loading");
    server.as("Vera").send(text("71"));
    await settle();
    await loading;
    expect(again.getSnapshot().chat?.messages[0]?.seq).toBe(16);
    expect(again.getSnapshot().chat?.older).toBe("some");
    server.refuse("request", "unavailable");
    await expect(Promise.all([again.loadOlder(), settle()])).rejects.toMatchObject({ retryable: true });
    expect(again.getSnapshot().chat?.older).toBe("failed");
    await Promise.all([again.loadOlder(), settle()]);
    expect(again.getSnapshot().chat).toMatchObject({ older: "none" });
    expect(again.getSnapshot().chat?.messages.map(({ seq }) => seq)).toEqual(
      Array.from({ length: 71 }, (_, n) => n + 1),
    );
    expect(shown().at(-1)).toBe(71);
  });
});

describe("events", () => {
  test("iterators end with their signal and with stop(), and leave nothing behind", async () => {
    const { visitor } = createCast();
    const vera = visitor();
    const controller = new AbortController();
    const seen: string[] = [];
    const read = async (signal?: AbortSignal) => {
      for await (const { state } of vera.events("connection", signal ? { signal } : {})) seen.push(state);
    };
    const [first, second] = [read(controller.signal), read()];
    await settle();
    controller.abort();
    await first;
    expect(seen).toContain("online");
    await vera.stop();
    await second;
  });
});
