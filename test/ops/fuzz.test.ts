import { test } from "vitest";
import { fuzz } from "../fuzz/run.ts";

/** FUZZ_SEEDS=7,8 and FUZZ_MINUTES=5 let it go on for longer, with others. */
const SEEDS = (process.env.FUZZ_SEEDS ?? "11").split(",").map(Number);
const FOR_MS = Number(process.env.FUZZ_MINUTES ?? 1) * 60_000;

test.each(SEEDS)(
  "a long time of attacks over the wire leaves nothing behind, seed %i",
  { timeout: FOR_MS + 300_000 },
  async (seed) => {
    console.log(await fuzz({ seed, forMs: FOR_MS, mayStay: true }));
  },
);
