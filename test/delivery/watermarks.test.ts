import fc from "fast-check";
import { expect, test } from "vitest";
import type { RoomName } from "../../src/chat/ports.ts";
import { createWatermarks, type StepMark } from "../../src/delivery/watermarks.ts";

const here: RoomName[] = ["staff:a", "visitor:v", "org:o:monitors"];
const elsewhere: RoomName = "staff:b";
const isHere = (room: RoomName) => here.includes(room);
const rooms: RoomName[] = [...here, elsewhere];
const mark = (number: number, next?: RoomName[]): StepMark => ({ chatId: "c", number, rooms, next });

test("of any steps that come in, in any order, exactly the others are missing", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 8 })), (numbers) => {
      const marks = createWatermarks(isHere);
      marks.open("c", rooms);
      for (const number of numbers) marks.heard(mark(number));
      const all = [1, 2, 3, 4, 5, 6, 7, 8, 9];
      expect(all.filter((number) => marks.isMissing(mark(number)))).toEqual(all.filter((n) => !numbers.includes(n)));
      expect(marks.toldOf("c")).toBe((all.find((number) => !numbers.includes(number)) ?? 0) - 1);
    }),
  );
});

test("an event tells whether something is missing before it", () => {
  const marks = createWatermarks(isHere);
  expect(marks.heard(mark(1))).toBe(true);
  expect(marks.heard(mark(3))).toBe(false);
  expect(marks.highestOf("c")).toBe(3);
  expect(marks.heard(mark(2))).toBe(true);
  expect(marks.toldOf("c")).toBe(3);
});

test("what is settled covers all before it, and what came in above it", () => {
  const marks = createWatermarks(isHere);
  marks.open("c", rooms);
  marks.heard(mark(5));
  marks.settle(mark(4));
  expect(marks.toldOf("c")).toBe(5);
  marks.settle(mark(2));
  expect(marks.toldOf("c")).toBe(5);
});

test("a chat is over when nobody here hears of its next step", () => {
  const marks = createWatermarks(isHere);
  marks.heard(mark(1));
  expect(marks.current()).toEqual(["c"]);
  marks.heard(mark(2, [elsewhere]));
  expect([marks.current(), marks.isOver("c"), marks.toldOf("c")]).toEqual([[], true, 2]);
});

test("what comes in while a chat is read counts on top of what was read", () => {
  const marks = createWatermarks(isHere);
  marks.startReading(isHere);
  for (const number of [5, 7]) marks.heard(mark(number));
  marks.begin([{ chatId: "c", lastNumber: 5, followers: rooms }]);
  expect(marks.toldOf("c")).toBe(5);
  expect(marks.isMissing(mark(6))).toBe(true);
  expect(marks.isMissing(mark(7))).toBe(false);
  // Only what came in during a reading: the next one has what came before it.
  marks.heard({ ...mark(9), chatId: "d" });
  marks.begin([{ chatId: "d", lastNumber: 9, followers: rooms }]);
  expect(marks.toldOf("d")).toBe(9);
});

test("a chat that is known keeps its place when it is read again", () => {
  const marks = createWatermarks(isHere);
  marks.heard(mark(1));
  marks.startReading(isHere);
  marks.begin([{ chatId: "c", lastNumber: 4, followers: rooms }]);
  expect(marks.toldOf("c")).toBe(1);
});

test("a chat that nobody followed is begun anew when it is read, and else kept as it was", () => {
  const marks = createWatermarks(isHere);
  for (const chatId of ["c", "d"]) marks.heard({ ...mark(1), chatId });
  marks.startReading(() => false);
  marks.heard(mark(5));
  marks.begin([{ chatId: "c", lastNumber: 4, followers: rooms }]);
  expect([marks.toldOf("c"), marks.toldOf("d")]).toEqual([5, 1]);
});

test("a chat that is over is forgotten unless it is kept", () => {
  const marks = createWatermarks(isHere);
  for (const chatId of ["c", "d", "e"]) marks.heard({ ...mark(1, chatId === "c" ? rooms : []), chatId });
  marks.forgetOver(new Set(["d"]));
  expect(["c", "d", "e"].map(marks.toldOf)).toEqual([1, 1, undefined]);
});
