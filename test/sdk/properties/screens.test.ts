import * as fc from "fast-check";
import { expect, test } from "vitest";
import { programs, run } from "./program.ts";

const runs = Number(process.env.SDK_PROPERTY_RUNS ?? 200);
const seed = Number(process.env.SDK_PROPERTY_SEED ?? 1);

test(`The screens are the server's state in the end, whatever fails (seed ${seed}, ${runs} programs)`, async () => {
  const property = fc.asyncProperty(programs, async (program) => {
    expect(await run(program)).toEqual([]);
  });
  await fc.assert(property, { seed, numRuns: runs });
}, 600_000);
