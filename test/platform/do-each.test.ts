import { expect, test, vi } from "vitest";
import { doEach } from "../../src/platform/do-each.ts";

test("an item that the work fails for doesn't stop the others, and is returned", () => {
  const done: string[] = [];
  const onError = vi.fn();
  const work = (item: string) => {
    if (item === "x") throw new Error("this one");
    done.push(item);
  };
  expect(doEach(["a", "x", "b"], work, onError)).toEqual(["x"]);
  expect(done).toEqual(["a", "b"]);
  expect(onError.mock.calls).toEqual([[new Error("this one")]]);
});
