import { test } from "vitest";
import { fuzz } from "./run.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 1);
const FOR_MS = 10_000;

test("people who chat notice no attack over the wire, and no attack leaves anything behind", {
  timeout: 240_000,
}, async () => {
  console.log(await fuzz({ seed: SEED, forMs: FOR_MS, mayStay: false }));
});
