// A packet for many clients of a process counts once while it waits. The clients that read worst are cut off first.
import { afterEach, describe, expect, test, vi } from "vitest";
import { createBacklog } from "../../../src/platform/engine/backlog.ts";
import { createGate } from "../../../src/platform/engine/gate.ts";
import {
  type Held,
  hold,
  outgoing,
  release,
  relieve,
  slowReaders,
  untilRoom,
} from "../../../src/platform/engine/outgoing.ts";
import { packetOf, packetWith, sharedFields } from "../../../src/platform/engine/packet.ts";
import type { Lagging } from "../../../src/platform/engine/slow-readers.ts";

const MB = 1_000_000;
const shared = (bytes: number) => ({ options: { wsPreEncodedFrame: packetOf("x", "x".repeat(bytes)).frame } });
/** A packet of a connection's own. */
const own = (bytes: number) => ({ data: "x".repeat(bytes) });

const held: Held[] = [];
const clients: Lagging[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const one of held.splice(0)) release(one);
  for (const one of clients.splice(0)) slowReaders.forget(one);
  expect(outgoing.used()).toBe(0);
});
const holdAll = (...packets: Parameters<typeof hold>[0][]) => held.push(...packets.map(hold));

test("a frame that goes to many counts once, until the last one has it", () => {
  const packet = shared(MB);
  const all = Array.from({ length: 100 }, () => hold(packet));
  expect(outgoing.used()).toBeGreaterThan(MB);
  expect(outgoing.used()).toBeLessThan(1.1 * MB);
  for (const one of all.splice(1)) release(one);
  expect(outgoing.used()).toBeGreaterThan(MB);
  release(all[0] as Held);
  expect(outgoing.used()).toBe(0);
});

test("a buffer that several packets share counts once, beside what each has of its own", () => {
  const fields = sharedFields({ all: "x".repeat(MB) });
  const packetFor = (n: number) => ({ options: { wsPreEncodedFrame: packetWith("x", `{"n":${n}}`, fields).frame } });
  const all = Array.from({ length: 100 }, (_, n) => hold(packetFor(n)));
  expect(outgoing.used()).toBeGreaterThan(MB);
  expect(outgoing.used()).toBeLessThan(1.1 * MB);
  for (const one of all) release(one);
  expect(outgoing.used()).toBe(0);
});

test("nothing more is read while there is no room; a caller that waits too long for room gets false", async () => {
  vi.useFakeTimers();
  expect(await untilRoom()).toBe(true);
  const packet = hold(own(outgoing.total));
  held.push(packet);
  const [early, late] = [untilRoom(), untilRoom()];
  const answers: string[] = [];
  void early.then(() => answers.push("there is room"));
  await vi.advanceTimersByTimeAsync(3_000);
  expect(answers).toEqual([]);
  release(held.pop() as Held);
  await vi.advanceTimersByTimeAsync(200);
  expect(await late).toBe(true);
  expect(answers).toEqual(["there is room"]);
  held.push(hold(own(outgoing.total)));
  const refused = untilRoom();
  await vi.advanceTimersByTimeAsync(6_000);
  expect(await refused).toBe(false);
});

test("all who poll share one text", () => {
  const packet = packetOf("x", JSON.stringify("é"));
  expect(packet.text()).toBe('2["x","é"]');
  expect(packet.text()).toBe(packet.text());
});

describe("when too much waits", () => {
  /** A client for which a packet waits; it is released when the client is cut off. */
  function client(bytes: number, { stalled = 0, needs = 0 }) {
    const packet = hold(own(bytes));
    let isHeld = true;
    const free = () => {
      if (isHeld) release(packet);
      isHeld = false;
    };
    const one = { settle() {}, stalled: () => stalled, needs: () => needs, cutOff: vi.fn(free) };
    clients.push(one);
    slowReaders.watch(one);
    held.push({
      get own() {
        return isHeld ? packet.own : 0;
      },
      frames: [],
    });
    return one;
  }
  const cut = (all: Record<string, Lagging & { cutOff: ReturnType<typeof vi.fn> }>) =>
    Object.entries(all).flatMap(([name, { cutOff }]) => (cutOff.mock.calls.length > 0 ? [name] : []));

  test("clients that take nothing are cut off first, then clients that need too long, and no more than necessary", () => {
    const all = {
      reads: client(30 * MB, { needs: 5 }),
      slow: client(30 * MB, { needs: 60 }),
      slower: client(30 * MB, { needs: 600 }),
      dead: client(30 * MB, { stalled: 3 }),
    };
    expect(relieve()).toBe(1);
    expect(cut(all)).toEqual(["dead"]);
    const more = { ...all, other: client(30 * MB, { needs: 1 }) };
    relieve();
    expect(cut(more)).toEqual(["slower", "dead"]);
  });

  test("a client that reads stays, whatever waits", () => {
    const all = { one: client(60 * MB, { needs: 29 }), two: client(60 * MB, { stalled: 1 }) };
    relieve();
    expect([cut(all), outgoing.hasRoom()]).toEqual([[], false]);
  });

  test("it is looked for at once, not only now and then", async () => {
    vi.useFakeTimers();
    const dead = client(50 * MB, { stalled: 5 });
    holdAll(own(50 * MB));
    await vi.advanceTimersByTimeAsync(60);
    expect(dead.cutOff).toHaveBeenCalled();
  });
});

describe("the packets that wait for one client", () => {
  test("is released as it is taken, and all of it when the connection closes", () => {
    let unread = 0;
    const backlog = createBacklog({ unread: () => unread, taken: () => 0, cutOff() {} });
    for (const bytes of [1_000, 2_000, 3_000]) {
      backlog.add(own(bytes), bytes);
      unread += bytes;
    }
    expect(outgoing.used()).toBe(6_600);
    unread = 5_500;
    relieve();
    expect(outgoing.used()).toBe(6_600);
    unread = 3_100;
    relieve();
    expect(outgoing.used()).toBe(5_400);
    unread = 0;
    relieve();
    expect(outgoing.used()).toBe(0);
    backlog.add(own(10), 10);
    backlog.clear();
  });

  test("is bad when nothing of it moves at two looks, or too little for long", () => {
    vi.useFakeTimers();
    let taken = 0;
    const cutOff = vi.fn();
    const backlog = createBacklog({ unread: () => 60 * MB, taken: () => taken, cutOff });
    const look = (bytes: number) => {
      taken += bytes;
      vi.advanceTimersByTime(500);
      relieve();
    };
    backlog.add(own(60 * MB), 60 * MB);
    holdAll(own(60 * MB));
    look(0);
    look(0);
    expect(cutOff).not.toHaveBeenCalled();
    look(0);
    expect(cutOff).toHaveBeenCalledTimes(1);
    for (let n = 0; n < 20; n++) look(2 * MB);
    expect(cutOff).toHaveBeenCalledTimes(1);
    for (let n = 0; n < 30 && cutOff.mock.calls.length === 1; n++) look(1_000);
    expect(cutOff).toHaveBeenCalledTimes(2);
    backlog.clear();
  });
});

test("a connection is closed when too many bytes wait behind its snapshot, and it then holds no more", () => {
  const written: unknown[] = [];
  const client = { writeToEngine: (...packets: unknown[]) => void written.push(packets) };
  const onFull = vi.fn();
  const gate = createGate({ client, once() {} } as never, onFull);
  gate.shut();
  for (let n = 0; n < 60; n++) client.writeToEngine([`2["x","${"x".repeat(65_000)}"]`], {});
  expect(onFull).not.toHaveBeenCalled();
  for (let n = 0; n < 60; n++) client.writeToEngine([`2["x","${"x".repeat(65_000)}"]`], {});
  expect(onFull).toHaveBeenCalledTimes(1);
  expect(outgoing.used()).toBeLessThan(4.2 * MB);
  gate.open();
  expect(written).toHaveLength(62);
});
