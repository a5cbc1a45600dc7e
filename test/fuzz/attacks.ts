// The steps of one attacker, as data: a seed and a number are enough to repeat them.
import fc from "fast-check";
import { type Frame, frames, textFrame } from "./frames.ts";
import { pollingBody } from "./packets.ts";
import { rawRequest } from "./requests.ts";

/** How a TCP connection ends: by a reset, by a half-close, or when the service has had enough of it. */
type End = "reset" | "close" | "wait";
/** With which token somebody knocks. */
export type Caller = "visitor" | "agent" | "monitor" | "nobody" | "liar";

/** The owner of the session that a request is for: the attacker, another attacker, or nobody. */
type Whose = "own" | "another's" | "none's";
/** One request of a polling session. None is waited for; `pauseMs` is how long until the next step. */
export type Step = { pauseMs: number; whose: Whose; end: End } & (
  | { do: "poll" | "put" }
  /** @param claimed what Content-Length says, when it isn't what is sent; "chunked" without, and then cut in the middle */
  | { do: "post"; body: string; type: string; claimed: string | null }
  | { do: "upgrade"; frames: Frame[] }
);

export type Attack =
  | { kind: "http"; bytes: string; pieces: number; end: End }
  | { kind: "polling"; version: 3 | 4; caller: Caller; steps: Step[]; closesCleanly: boolean }
  | { kind: "websocket"; version: 3 | 4; caller: Caller; connects: boolean; frames: Frame[]; end: End };

const end = fc.constantFrom<End>("reset", "close", "wait");
const version = fc.constantFrom<3 | 4>(4, 4, 4, 3);
const caller = fc.constantFrom<Caller>("visitor", "visitor", "visitor", "agent", "monitor", "nobody", "liar");
const common = {
  end,
  pauseMs: fc.constantFrom(0, 0, 0, 5, 30),
  whose: fc.constantFrom<Whose>("own", "own", "own", "own", "own", "another's", "none's"),
};
const PROBE = ["2probe", "5"];
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("poll" as const), ...common }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("post" as const),
      body: fc.oneof(
        { weight: 1, arbitrary: fc.constantFrom("40", "41", "3", "1") },
        { weight: 2, arbitrary: pollingBody },
      ),
      type: fc.constantFrom("text/plain;charset=UTF-8", "text/plain;charset=UTF-8", "application/octet-stream", ""),
      claimed: fc.oneof(
        { weight: 6, arbitrary: fc.constant(null) },
        { weight: 1, arbitrary: fc.constantFrom("0", "5", "-1", "2000000", "chunked") },
      ),
      ...common,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("put" as const), ...common }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.subarray(PROBE), fc.boolean(), frames, fc.record(common))
      .map(([said, isSwapped, others, rest]) => {
        const probe = (isSwapped ? said.toReversed() : said).map(textFrame);
        return { ...rest, do: "upgrade" as const, frames: [...probe, ...others] };
      }),
  },
);

/** @param mayStay whether polling sessions may be left to the service, which ends them after 45 s */
const attack = (mayStay: boolean): fc.Arbitrary<Attack> =>
  fc.oneof(
    fc.record({ kind: fc.constant("http" as const), bytes: rawRequest, pieces: fc.constantFrom(1, 1, 2, 20), end }),
    fc.record({
      ...{ kind: fc.constant("polling" as const), version, caller },
      steps: fc.array(step, { maxLength: 10, size: "max" }),
      closesCleanly: mayStay ? fc.boolean() : fc.constant(true),
    }),
    fc.record({ kind: fc.constant("websocket" as const), version, caller, connects: fc.boolean(), frames, end }),
  );

const BATCH = 50;

/** The attacks of a seed, one after the other, without end. */
export function* drawAttacks(seed: number, mayStay: boolean): Generator<Attack, never> {
  for (let batch = 0; ; batch++) {
    yield* fc.sample(attack(mayStay), { seed: seed * 100_003 + batch, numRuns: BATCH });
  }
}
