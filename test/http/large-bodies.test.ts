import { afterAll, beforeAll, expect, test } from "vitest";
import { startWorld, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  // A heap as small as in the image.
  world = await startWorld("one process", { NODE_OPTIONS: "--max-old-space-size=512" });
});
afterAll(() => world?.stop());

test("a waiting login doesn't keep unknown fields of its body", async () => {
  const extra = `[${Array(300_000).fill("[]").join()}]`;
  const body = `{"email":"somebody@here.example","password":"wrong-password-1","extra":${extra}}`;
  const headers = { "Content-Type": "application/json" };
  const statuses = await Promise.all(
    Array.from(
      { length: 100 },
      async () => (await fetch(`${world.url(0)}/login`, { method: "POST", headers, body })).status,
    ),
  );
  expect([401, 429]).toEqual(expect.arrayContaining([...new Set(statuses)]));
  expect((await fetch(`${world.url(0)}/livez`)).status).toBe(200);
});
