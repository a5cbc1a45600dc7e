import * as fc from "fast-check";
import { vi } from "vitest";
import { createRandom } from "../../../sdk/src/testing/random.ts";
import { type Cast, createCast } from "./cast.ts";
import { deeds, perform, type Step } from "./deeds.ts";
import { type Trouble, trouble, troubles } from "./troubles.ts";
import { sendingProblems, staffProblems, visitorProblems } from "./truth.ts";

export type Program = { seed: number; protocol: 1 | 2; steps: ProgramStep[] };
export type ProgramStep = Step | Trouble | { do: "wait"; ms: number };

const wait = fc.record({
  do: fc.constant("wait" as const),
  ms: fc.constantFrom(0, 0, 1, 20, 500, 2_000, 6_000, 20_000),
});
const steps = fc.oneof({ weight: 30, arbitrary: wait }, ...deeds, ...troubles);

export const programs = fc.record({
  seed: fc.nat({ max: 1_000_000 }),
  protocol: fc.constantFrom<1 | 2>(2, 2, 2, 1),
  steps: fc.array(steps, { minLength: 5, maxLength: 60 }),
}) as fc.Arbitrary<Program>;

/** Runs a program over the fake server, and waits until all is quiet. Answers how the screens differ from the truth. */
export async function run({ seed, protocol, steps: all }: Program): Promise<string[]> {
  vi.useFakeTimers({ now: 1_764_547_200_000 });
  const random = createRandom(seed);
  const unmockRandom = vi.spyOn(Math, "random").mockImplementation(random);
  const cast = createCast({ seed, protocol, graceMs: 15_000, snapshot: { messages: 3, visitorMessages: 4 } });
  try {
    for (const device of cast.all) {
      device.client.start();
      device.isRunning = true;
    }
    await vi.advanceTimersByTimeAsync(10);
    for (const step of all) {
      if (step.do === "wait") await vi.advanceTimersByTimeAsync(step.ms);
      else if (isTrouble(step)) trouble(cast, step);
      else perform(cast, step);
    }
    await quiesce(cast);
    return problemsOf(cast, protocol);
  } finally {
    await end(cast);
    unmockRandom.mockRestore();
    vi.useRealTimers();
  }
}

const troubleNames = [
  ...["lose", "delay", "repeat", "reorder", "refuse", "disconnect", "snapshot", "expire", "disconnectAll"],
  ...["snapshots", "repair", "away", "tokens", "storage"],
];
const isTrouble = (step: Step | Trouble): step is Trouble => troubleNames.includes(step.do);

/** Everything works again, everybody is there, and nothing is on its way any more. */
async function quiesce({ server, all }: Cast): Promise<void> {
  server.behave();
  for (const device of all) {
    device.tokens.mode = "works";
    device.storage.mode = "works";
    if (!device.isRunning) device.client.start();
  }
  await vi.advanceTimersByTimeAsync(8_000);
  server.back();
  await untilQuiet(server, all);
  for (const device of all) device.recover();
  await untilQuiet(server, all);
}

async function untilQuiet(server: Cast["server"], all: Cast["all"]): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await vi.advanceTimersByTimeAsync(15_000);
    server.repair();
    const isQuiet = all.every(({ client, failures }) => {
      const { connection, outbox } = client.getSnapshot();
      return connection.state === "online" && outbox <= failures.size;
    });
    if (isQuiet && turn >= 3) break;
  }
  await vi.advanceTimersByTimeAsync(1_000);
}

function problemsOf(cast: Cast, protocol: 1 | 2): string[] {
  const { server, visitors, staff, all } = cast;
  return [
    ...visitors.flatMap(({ name, person, client }) =>
      about(name, visitorProblems(server, person, client.getSnapshot())),
    ),
    ...staff.flatMap(({ name, person, client }) =>
      about(name, staffProblems(server, person, client.getSnapshot(), protocol)),
    ),
    ...all.flatMap((device) => about(device.name, sendingProblems(server, device as never))),
    ...all
      .filter(({ tokens }) => tokens.mostInFlight() > 1)
      .map(({ name, tokens }) => `${name}: ${tokens.mostInFlight()} calls of token() at once`),
  ];
}
const about = (name: string, problems: string[]) => problems.map((problem) => `${name}: ${problem}`);

async function end({ server, all }: Cast): Promise<void> {
  const stopped = Promise.all(all.map(({ client }) => client.stop()));
  await vi.advanceTimersByTimeAsync(60_000);
  await stopped;
  server.stop();
  await vi.advanceTimersByTimeAsync(0);
  vi.clearAllTimers();
}
