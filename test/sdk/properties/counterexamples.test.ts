import { expect, test } from "vitest";
import { type Program, run } from "./program.ts";

/** Programs that once ended with a wrong screen. */
const programs: Record<string, Program["steps"]> = {
  "A chat that another device opens while the visitor leaves stays open on the screen": [
    { do: "delay", what: "ack", ms: 1, who: null },
    { do: "visitorLeaves", visitor: 0 },
    { do: "send", visitor: 1, ifClosed: "open" },
    { do: "wait", ms: 0 },
  ],
  "A chat whose first message comes after its end isn't opened on the screen": [
    { do: "reorder", count: 2, who: "Vera" },
    { do: "send", visitor: 0, ifClosed: "open" },
    { do: "visitorLeaves", visitor: 0 },
    { do: "wait", ms: 1 },
  ],
};

test.each(Object.entries(programs))("%s", async (_title, steps) => {
  expect(await run({ seed: 0, protocol: 2, steps })).toEqual([]);
});
