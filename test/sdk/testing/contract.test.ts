import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWorld, type World } from "../../support/world.ts";
import { fakeStage } from "./fake-stage.ts";
import { normalise } from "./normalise.ts";
import { podStage } from "./pod-stage.ts";
import { scenarios } from "./scenarios.ts";

const GRACE_MS = 500;

let world: World;
beforeAll(async () => {
  world = await startWorld("one process", { RECONNECT_GRACE_MS: String(GRACE_MS), RATE_LIMIT_PER_SECOND: "0" });
});
afterAll(() => world.stop());

describe.each([1, 2] as const)("protocol %i: the fake server does what a real one does", (protocol) => {
  test.each(scenarios)("$title", async ({ play }) => {
    const [fake, pod] = [await fakeStage(protocol, GRACE_MS), await podStage(world, protocol, GRACE_MS)];
    await play(fake);
    await play(pod);
    expect(pod.transcript.length).toBeGreaterThan(10);
    expect(normalise(fake.transcript)).toEqual(normalise(pod.transcript));
  });
});
