import { setTimeout as delay } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { joinParts, type Part } from "../../src/platform/part.ts";

/** A part that notes the begin and the end of each of its methods. */
function noting(name: string, notes: string[]): Part {
  const note = (what: string) => async () => {
    notes.push(`${name} ${what}`);
    await delay(5);
    notes.push(`${name} ${what}, done`);
  };
  return { start: note("start"), drain: note("drain"), stop: note("stop") };
}
const begun = (notes: string[], what: string) => notes.filter((one) => one.endsWith(what));

test("parts start and drain in the order of the list, and stop in the reverse order, one after the other", async () => {
  const notes: string[] = [];
  const parts = joinParts([noting("a", notes), noting("b", notes), {}, noting("c", notes)]);

  await parts.start();
  await parts.drain();
  await parts.stop();

  const steps = ["a start", "b start", "c start", "a drain", "b drain", "c drain", "c stop", "b stop", "a stop"];
  expect(notes).toEqual(steps.flatMap((step) => [step, `${step}, done`]));
});

test("parts in a list of their own stop at the same time, after all later parts of the list", async () => {
  const notes: string[] = [];
  await joinParts([noting("a", notes), [noting("b", notes), noting("c", notes)], noting("d", notes)]).stop();

  expect(notes.slice(0, 2)).toEqual(["d stop", "d stop, done"]);
  expect(notes.slice(2, 4)).toEqual(["b stop", "c stop"]);
  expect(notes.slice(-2)).toEqual(["a stop", "a stop, done"]);
});

test("a part that can't start keeps later parts from starting", async () => {
  const notes: string[] = [];
  const failing: Part = { start: () => Promise.reject(new Error("no")) };
  await expect(joinParts([noting("a", notes), failing, noting("b", notes)]).start()).rejects.toThrow("no");

  expect(begun(notes, "start")).toEqual(["a start"]);
});

test("timers run from start to stop, or to the drain, and pass on their errors", async () => {
  vi.useFakeTimers();
  try {
    const runs: string[] = [];
    const errors: unknown[] = [];
    const timer = (name: string, endsWithDrain: boolean) => ({
      everyMs: 1_000,
      endsWithDrain,
      work() {
        runs.push(name);
        throw name;
      },
      onError: (error: unknown) => errors.push(error),
    });
    const parts = joinParts([{ timers: [timer("a", true)] }, { timers: [timer("b", false)] }]);
    const second = async () => {
      runs.length = 0;
      await vi.advanceTimersByTimeAsync(1_000);
      return [...runs];
    };

    expect(await second()).toEqual([]);
    await parts.start();
    expect(await second()).toEqual(["a", "b"]);
    await parts.drain();
    expect(await second()).toEqual(["b"]);
    await parts.stop();
    expect(await second()).toEqual([]);
    expect(errors).toEqual(["a", "b", "b"]);
  } finally {
    vi.useRealTimers();
  }
});
