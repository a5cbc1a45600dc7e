import { inspect } from "node:util";
import { expect } from "vitest";
import { startConversation } from "../support/conversation.ts";
import { INSPECTED } from "../support/inspector.ts";
import type { Pod } from "../support/pod.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";
import { createAttacker } from "./attacker.ts";
import { type Attack, drawAttacks } from "./attacks.ts";
import { createHealthCheck, type Health, peakMbOf } from "./health.ts";

/** So many attackers at once. */
const ATTACKERS = 12;
const WARM_UP_MS = 3_000;
/** Caches and the heap's own needs may add this much. A kilobyte left by each attack of a long run would be more. */
const MAX_HEAP_GROWTH_MB = 40;
const MAX_PEAK_MB = 600;
/** The last guests may still be referenced by their last work. */
const MAX_GUESTS = 10;
/** A session that is left alone ends after 45 s. */
const SESSIONS_MS = 75_000;
/** The log lines of faults in the process itself. Leaves out that Redis, on a busy machine, took longer than a second. */
const unexplained = (output: string) =>
  output
    .split("\n")
    .filter((line) => /unexpected error|a part failed|Warning|Error:|"level":(?:50|60)/.test(line))
    .filter((line) => !line.includes('"Command timed out"'));

type Options = { seed: number; forMs: number; mayStay: boolean };

/** Everything that can be let in is: it's more to attack. */
const OPEN = { ALLOW_EIO3: "true", ALLOW_AUTH_PAYLOAD: "true", RECONNECT_GRACE_MS: "1000" };

/** Starts a world, and attacks it. Resolves to what was seen. */
export async function fuzz(options: Options): Promise<string> {
  const world = await startWorld("two pods", { ...OPEN, ...INSPECTED });
  try {
    return await fuzzIn(world, options);
  } finally {
    await world.stop();
  }
}

/**
 * Attacks the first pod with what the seed draws. Meanwhile people write to each other on that pod and across to the second.
 * Fails unless these people notice nothing, and the process is alive and as it was before. Neither pod may report a
 * fault of its own.
 */
async function fuzzIn(world: World, { seed, forMs, mayStay }: Options): Promise<string> {
  const [target, other] = world.pods as [Pod, Pod];
  const organisation = await world.organisation();
  const attacker = createAttacker({
    url: target.url,
    tokens: {
      visitor: tokenOf(await organisation.visitor()),
      agent: tokenOf(organisation.agent),
      monitor: `Bearer ${tokenOf(organisation.supervisor)}`,
      nobody: undefined,
      liar: `${tokenOf(organisation.admin)}x`,
    },
  });
  const last: Attack[] = [];
  const attacks = drawAttacks(seed, mayStay);
  let count = 0;
  const attackFor = async (ms: number) => {
    const endsAt = performance.now() + ms;
    await Promise.all(
      Array.from({ length: ATTACKERS }, async () => {
        while (performance.now() < endsAt) {
          const attack = attacks.next().value;
          count++;
          if (last.push(attack) > 2 * ATTACKERS) last.shift();
          await attacker.run(attack);
        }
      }),
    );
  };

  const health = await createHealthCheck(target);
  try {
    await attackFor(WARM_UP_MS);
    const before = await settled(health.look);
    const conversation = await startConversation(world, (who) => ({ url: (who === "agent" ? other : target).url }));
    await health.lag();
    const attacking = attackFor(forMs);
    await conversation.goesOn();
    await attacking;
    const lag = await health.lag();
    await conversation.goesOn();
    await conversation.end();
    const after = await settled(health.look, before);

    expect(await health.faults()).toEqual([]);
    for (const pod of [target, other]) expect(unexplained(pod.output())).toEqual([]);
    expect(after.heapMb - before.heapMb).toBeLessThan(MAX_HEAP_GROWTH_MB);
    const peakMb = Math.round(peakMbOf(target.pid));
    expect(peakMb).toBeLessThan(MAX_PEAK_MB);
    const tooMany = async () => Object.entries(await health.guests()).filter(([, count]) => count > MAX_GUESTS);
    await expect.poll(tooMany, { timeout: SESSIONS_MS, interval: 5_000 }).toEqual([]);
    return `seed ${seed}: ${count} attacks, ${JSON.stringify({ before, after, peakMb, lag })}`;
  } catch (error) {
    const shown = last.map((attack) => inspect(attack, SHORT)).join("\n");
    const printed = target.output().slice(-5_000);
    const what = `seed ${seed}, after ${count} attacks, the last of which were\n${shown}\n\n${printed}`;
    throw new Error(what, { cause: error });
  } finally {
    health.close();
  }
}

const SHORT = { depth: 4, maxStringLength: 200, maxArrayLength: 20, breakLength: Number.POSITIVE_INFINITY };

/** Waits until the attackers' connections are closed, and until files and timers are about as many as before. */
async function settled(look: () => Promise<Health>, before?: Health): Promise<Health> {
  let now = await look();
  const tooMany = async () => {
    now = await look();
    const most = { connections: 0, files: (before?.files ?? Infinity) + 6, timers: (before?.timers ?? Infinity) + 10 };
    return Object.entries(most).filter(([what, count]) => now[what as keyof Health] > count);
  };
  await expect.poll(tooMany, { timeout: SESSIONS_MS, interval: 1_000 }).toEqual([]);
  return now;
}
