import { beforeEach, expect, test } from "vitest";
import { createWaitingRoom } from "../../../src/platform/engine/waiting-room.ts";

type Session = { name: string };
let out: string[];
let room: ReturnType<typeof createWaitingRoom<Session>>;
beforeEach(() => {
  out = [];
  room = createWaitingRoom<Session>({ total: 10, perSource: 4 }, ({ name }) => out.push(name));
});
const enter = (source: string, n: number): Session => {
  const session = { name: `${source}${n}` };
  room.enter(session, source);
  return session;
};
const enterMany = (source: string, count: number) => Array.from({ length: count }, (_, n) => enter(source, n + 1));

test("a source with as many sessions as it may have loses its oldest one, and no other source does", () => {
  enter("b", 1);
  enterMany("a", 7);
  expect(out).toEqual(["a1", "a2", "a3"]);
  expect(room.size()).toBe(5);
});

test("when the room is full, the source with most sessions loses its oldest one", () => {
  enterMany("a", 2);
  enterMany("b", 4);
  enterMany("c", 3);
  enter("d", 1);
  expect(out).toEqual([]);
  enter("e", 1);
  enter("f", 1);
  expect(out).toEqual(["b1", "b2"]);
  expect(room.size()).toBe(10);
});

test("a session of a small source stays, whatever the others do", () => {
  enter("honest", 1);
  for (let n = 1; n <= 500; n++) enter(`hostile${n % 7}`, n);
  expect(out).toHaveLength(491);
  expect(out).not.toContain("honest1");
});

test("among sources of one session each, the oldest session goes", () => {
  for (let n = 1; n <= 12; n++) enter(`source${n}-`, n);
  expect(out).toEqual(["source1-1", "source2-2"]);
});

test("a source whose only session is crowded out by its own next one has that one", () => {
  const small = createWaitingRoom<Session>({ total: 1, perSource: 1 }, ({ name }) => out.push(name));
  const first = { name: "first" };
  const second = { name: "second" };
  small.enter(first, "a");
  small.enter(second, "a");
  expect([out, small.size()]).toEqual([["first"], 1]);
  small.leave(second);
  expect(small.size()).toBe(0);
});

test("sessions that leave make room, once each", () => {
  const [first] = enterMany("a", 4) as [Session];
  room.leave(first);
  room.leave(first);
  enter("a", 5);
  expect([out, room.size()]).toEqual([[], 4]);
  enter("a", 6);
  expect(out).toEqual(["a2"]);
});
