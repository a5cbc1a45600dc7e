// How a process ends: on one signal, on two, and when nobody reads what it prints.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pod, startPod } from "./support/pod.ts";
import { createDatabase } from "./support/services.ts";

describe("a process whose output nobody reads any more ends on SIGTERM", { timeout: 60_000 }, () => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database?.drop());

  test.each([
    ["on the embedded database", () => ({})],
    ["on PostgreSQL", () => ({ DATABASE_URL: database.url })],
  ])("%s", async (_, env) => {
    // Several: whether it is writing at the moment of its end is a matter of luck.
    const pods: Pod[] = [];
    for (let n = 0; n < 3; n++) pods.push(await startPod(env()));
    for (const pod of pods) pod.closeOutput();
    const startedAt = performance.now();
    expect(await Promise.all(pods.map((pod) => pod.stop()))).toEqual([0, 0, 0]);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});
