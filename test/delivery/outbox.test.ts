import { expect, test, vi } from "vitest";
import { createOutbox, OUTBOX } from "../../src/delivery/outbox.ts";

const nextTurn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** `answer` lets Redis answer everything so far. */
function outbox(limits: Partial<typeof OUTBOX> = {}) {
  const published: [channel: string, message: string][] = [];
  const answers: (() => void)[] = [];
  const onDropped = vi.fn();
  const publish = (channel: string, message: string) => {
    published.push([channel, message]);
    return new Promise<void>((resolve) => answers.push(resolve));
  };
  const box = createOutbox({ publish, head: "me", onDropped, limits: { ...OUTBOX, ...limits } });
  const answer = async () => {
    for (const resolve of answers.splice(0)) resolve();
    await nextTurn();
  };
  const add = (channel: string, text: string) => box.add(channel, text, Buffer.byteLength(text));
  return { ...box, add, published, onDropped, answer };
}

test("texts of one turn become one message for each channel, in order", async () => {
  const { add, published } = outbox();
  for (const text of ["1", "2"]) for (const channel of ["a", "b"]) add(channel, `${channel}${text}`);
  expect(published).toEqual([]);
  await nextTurn();
  add("a", "a3");
  await nextTurn();
  expect(published).toEqual([
    ["a", "me\na1\na2"],
    ["b", "me\nb1\nb2"],
    ["a", "me\na3"],
  ]);
});

test("a message is no larger than 256 kB, unless one event is; their order stays", async () => {
  const { add, published } = outbox();
  const text = (letter: string, size: number) => letter.repeat(size);
  const texts = [text("a", 100_000), text("b", 100_000), text("c", 100_000), text("d", 700_000), text("e", 10)];
  for (const one of texts) add("x", one);
  await nextTurn();
  expect(published.map(([, message]) => message.length)).toEqual([200_004, 100_003, 700_003, 13]);
  expect(published.flatMap(([, message]) => message.split("\n").slice(1))).toEqual(texts);
});

test("200 large messages at once leave Redis's subscribers far below its limit, and small texts are always sent", async () => {
  const { add, published, onDropped } = outbox();
  for (let n = 0; n < 200; n++) add("x", `${n} ${"é".repeat(65_000)}`);
  add("x", "small");
  await nextTurn();
  const bytes = published.reduce((sum, [, message]) => sum + Buffer.byteLength(message), 0);
  expect(bytes).toBeLessThan(8_100_000);
  expect(bytes).toBeGreaterThan(7_500_000);
  expect(published.at(-1)?.[1].split("\n").at(-1)).toBe("small");
  expect(onDropped).toHaveBeenCalledTimes(200 - Math.floor(8_000_000 / 130_004));
});

test("texts without an answer of Redis count until it answers", async () => {
  const { add, onDropped, unanswered, answer } = outbox({ burst: 1e9, unanswered: 1_000_000 });
  for (let n = 0; n < 15; n++) {
    add("x", "x".repeat(100_000));
    await nextTurn();
  }
  expect([unanswered(), onDropped.mock.calls.length]).toEqual([1_000_000, 5]);
  await answer();
  expect(unanswered()).toBe(0);
  add("x", "x".repeat(3_000_000));
  await nextTurn();
  expect([unanswered(), onDropped.mock.calls.length]).toEqual([3_000_000, 5]);
});
