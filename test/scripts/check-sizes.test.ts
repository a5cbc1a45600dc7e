import { expect, test } from "vitest";
import { checkSizes } from "../../scripts/check-sizes.ts";

const file = (path: string, lines: number, first = "one") => ({
  path,
  text: `${first}\n${"more\n".repeat(lines - 1)}`,
});
const small = Array.from({ length: 5 }, (_, n) => file(`small-${n}.ts`, 80));

test("files of 250 lines pass, and longer ones with a reason in their first line", () => {
  expect(checkSizes([...small, file("a.ts", 250), file("b.ts", 900, "// Long because of its table.")])).toEqual([]);
});

test("a file of 251 lines without a reason is named", () => {
  const complaints = checkSizes([...small, file("a.ts", 251), file("b.ts", 251, "// It is long.")]);
  expect(complaints.map((one) => one.split(":")[0])).toEqual(["a.ts", "b.ts"]);
});

test("a median above 80 lines is too high", () => {
  expect(checkSizes([file("a.ts", 10), file("b.ts", 81), file("c.ts", 100)])).toEqual([
    "the median file has 81 lines; at most 80",
  ]);
});
