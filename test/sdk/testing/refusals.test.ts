import { expect, test } from "vitest";
import { refusals } from "../../../sdk/src/testing/refusals.ts";
import { refusals as real } from "../../../src/contract/errors.ts";

test("The fake server's refusals have the statuses and sentences of the contract", () => {
  const ofContract = Object.fromEntries(
    Object.keys(refusals).map((code) => {
      const { status, sentence } = real[code as keyof typeof refusals];
      return [code, [status, sentence]];
    }),
  );
  expect(refusals).toEqual(ofContract);
});
