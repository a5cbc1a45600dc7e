import fc from "fast-check";
import { expect, test } from "vitest";
import type { ChatRoomName } from "../../src/chat/audience.ts";
import type { RoomName } from "../../src/chat/ports.ts";
import { createWatermarks, type EntryMark } from "../../src/delivery/watermarks.ts";

const here: ChatRoomName[] = ["staff:a", "visitor:v", "org:o:monitors"];
const elsewhere: ChatRoomName = "staff:b";
const isHere = (room: RoomName) => here.some((one) => one === room);
const rooms: ChatRoomName[] = [...here, elsewhere];
const mark = (number: number, followers = rooms): EntryMark => ({ chatId: "c", number, followers });

test("after any entries in any order, exactly the others are missing", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 8 })), (numbers) => {
      const marks = createWatermarks(isHere);
      marks.open("c", 0, rooms);
      for (const number of numbers) marks.receive(mark(number));
      const all = [1, 2, 3, 4, 5, 6, 7, 8, 9];
      expect(all.filter((number) => marks.isMissing(mark(number)))).toEqual(all.filter((n) => !numbers.includes(n)));
      expect(marks.deliveredOf("c")).toBe((all.find((number) => !numbers.includes(number)) ?? 0) - 1);
    }),
  );
});

test("an entry shows whether another one before it is missing", () => {
  const marks = createWatermarks(isHere);
  expect(marks.receive(mark(1))).toBe(true);
  expect(marks.receive(mark(3))).toBe(false);
  expect(marks.highestOf("c")).toBe(3);
  expect(marks.receive(mark(2))).toBe(true);
  expect(marks.deliveredOf("c")).toBe(3);
});

test("a settled entry includes all before it, and later ones that have already arrived", () => {
  const marks = createWatermarks(isHere);
  marks.open("c", 0, rooms);
  marks.receive(mark(5));
  marks.settle(mark(4));
  expect(marks.deliveredOf("c")).toBe(5);
  marks.settle(mark(2));
  expect(marks.deliveredOf("c")).toBe(5);
});

test("a chat is over when nobody here follows it any more", () => {
  const marks = createWatermarks(isHere);
  marks.receive(mark(1));
  expect(marks.current()).toEqual(["c"]);
  marks.receive(mark(2, [elsewhere]));
  expect([marks.current(), marks.isOver("c"), marks.deliveredOf("c")]).toEqual([[], true, 2]);
});

test("an entry that arrives while its chat is read counts beside what was read", () => {
  const marks = createWatermarks(isHere);
  marks.startReading(isHere);
  for (const number of [5, 7]) marks.receive(mark(number));
  marks.begin([{ chatId: "c", last: 5, followers: rooms }]);
  expect(marks.deliveredOf("c")).toBe(5);
  expect(marks.isMissing(mark(6))).toBe(true);
  expect(marks.isMissing(mark(7))).toBe(false);
  // An entry that arrived before the reading is in what was read.
  marks.receive({ ...mark(9), chatId: "d" });
  marks.begin([{ chatId: "d", last: 9, followers: rooms }]);
  expect(marks.deliveredOf("d")).toBe(9);
});

test("a chat that is known keeps its place when it is read again", () => {
  const marks = createWatermarks(isHere);
  marks.receive(mark(1));
  marks.startReading(isHere);
  marks.begin([{ chatId: "c", last: 4, followers: rooms }]);
  expect(marks.deliveredOf("c")).toBe(1);
});

test("a chat that nobody followed is begun anew when it is read, and else kept as it was", () => {
  const marks = createWatermarks(isHere);
  for (const chatId of ["c", "d"]) marks.receive({ ...mark(1), chatId });
  marks.startReading(() => false);
  marks.receive(mark(5));
  marks.begin([{ chatId: "c", last: 4, followers: rooms }]);
  expect([marks.deliveredOf("c"), marks.deliveredOf("d")]).toEqual([5, 1]);
});

test("a chat that is over is forgotten unless it is kept", () => {
  const marks = createWatermarks(isHere);
  for (const chatId of ["c", "d", "e"]) marks.receive({ ...mark(1, chatId === "c" ? rooms : []), chatId });
  marks.forget((chatId, isOver) => isOver && chatId !== "d");
  expect(["c", "d", "e"].map(marks.deliveredOf)).toEqual([1, 1, undefined]);
});

test("an entry with a narrower audience than the chat's doesn't change who follows the chat", () => {
  const marks = createWatermarks(isHere);
  marks.receive(mark(1));
  marks.settle(mark(2));
  expect(marks.current()).toEqual(["c"]);
});

test("entries of an unknown chat are pending until it is placed, or until the second look after them", () => {
  const marks = createWatermarks(isHere);
  const never = () => false;
  marks.receive(mark(7));
  marks.forget(never);
  marks.open("c", 5, rooms);
  expect([marks.deliveredOf("c"), marks.isMissing(mark(6)), marks.isMissing(mark(7))]).toEqual([5, true, false]);
  marks.receive({ ...mark(7), chatId: "d" });
  marks.forget(never);
  marks.forget(never);
  marks.open("d", 5, rooms);
  expect(marks.isMissing({ chatId: "d", number: 7 })).toBe(true);
});

test("a chat that comes back to somebody here starts at its new place, and keeps what was delivered", () => {
  const marks = createWatermarks(isHere);
  marks.receive(mark(1, [elsewhere]));
  expect(marks.isOver("c")).toBe(true);
  marks.receive(mark(9));
  marks.open("c", 6, rooms);
  expect([marks.isOver("c"), marks.deliveredOf("c"), marks.isMissing(mark(9))]).toEqual([false, 6, false]);
});
