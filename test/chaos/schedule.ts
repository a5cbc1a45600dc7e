import type { RedisSetKind } from "../support/redis-sets.ts";
import { type Draw, drawFault, type FaultKind, type FaultName, faultKinds, faultsOn } from "./faults.ts";
import type { Random } from "./random.ts";

export type Planned = { name: FaultName; afterMs: number; draw: Draw };

/** Goes on for ever: all faults there are, in an order of chance, and then again in another one. */
export function* schedule(
  random: Random,
  { gapMs, only = [], redis = "node" }: { gapMs: number; only?: FaultName[]; redis?: RedisSetKind },
): Generator<Planned, never> {
  const names = only.length > 0 ? only : faultsOn(redis);
  for (;;) {
    for (const name of random.shuffled(names)) {
      const afterMs = gapMs + random.int(0, 1_500);
      yield { name, afterMs, draw: drawFault(faultKinds[name] as FaultKind, random) };
    }
  }
}
