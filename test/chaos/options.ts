import { parseArgs } from "node:util";
import { type RedisSetKind, redisSets } from "../support/redis-sets.ts";
import { type FaultName, faultKinds } from "./faults.ts";

export const scenarios = ["random", "rolling", "redis-away", "calm"] as const;
export type Scenario = (typeof scenarios)[number];

export type Options = {
  scenario: Scenario;
  seed: string;
  minutes: number;
  redis: RedisSetKind;
  pods: number;
  organisations: number;
  agents: number;
  visitors: number;
  rate: number;
  connections: number;
  graceMs: number;
  drainMs: number;
  gapMs: number;
  only: FaultName[];
  env: Record<string, string>;
  out: string | undefined;
  keep: boolean;
  json: string | undefined;
};

export const USAGE = `Usage: npm run chaos -- [--seed N] [options]

Runs several processes of the service with a Redis and a PostgreSQL of their own, lets visitors and staff talk through
them while things fail, and then checks, promise by promise, what everybody sent and received. The same seed
draws the same people and the same faults. The exit code is 1 when a promise was broken, 2 when it couldn't be run.

  --scenario NAME     random (default): one fault after the other
                      rolling: all processes are restarted in turn, with --connections clients more
                      redis-away: Redis is stopped for --minutes
                      calm: nothing fails; what is found then was wrong without any fault
  --seed TEXT         default: 1
  --minutes N         how long things fail; default: 2
  --redis KIND        node (default): one Redis, and a proxy between it and each process
                      cluster: three masters with a replica each
                      sentinel: a master with two replicas, and three Sentinels
  --pods N            processes; default: 3
  --organisations N   default: 2
  --agents N          agents of each, beside an admin and two supervisors; default: 4
  --visitors N        visitors at a time in each; default: 24
  --rate N            messages a second of all together; default: 60
  --connections N     rolling: idle connections beside the talking ones; default: 0
  --grace MS          RECONNECT_GRACE_MS; default: 4000, rolling: 10000
  --drain MS          DRAIN_MS; default: 4000, rolling: 20000
  --gap MS            from the end of a fault to the next one; default: 4500
  --only A,B          only these faults, of: ${Object.keys(faultKinds).join(", ")}
  --env NAME=VALUE    one more variable for the processes; may be repeated
  --out DIR           keeps the ledgers and the processes' output there
  --keep              keeps them in a temporary folder, also when all is well
  --json FILE         writes the result there
  --help`;

export class UsageError extends Error {}

/** Null when help was asked for. */
export function readOptions(args: string[]): Options | null {
  const text = { type: "string" } as const;
  const { values } = parse(args, {
    ...{
      scenario: text,
      seed: text,
      minutes: text,
      redis: text,
      pods: text,
      organisations: text,
      agents: text,
      visitors: text,
    },
    ...{ rate: text, connections: text, grace: text, drain: text, gap: text, only: text, out: text, json: text },
    env: { type: "string", multiple: true },
    keep: { type: "boolean" },
    help: { type: "boolean" },
  });
  if (values.help) return null;
  const number = (name: keyof typeof values, initial: number) => {
    const value = Number(values[name] ?? initial);
    if (!Number.isFinite(value) || value < 0) throw new UsageError(`--${name} ${values[name]} is no number`);
    return value;
  };
  const oneOf = <T extends string>(name: string, value: string, known: readonly T[]): T => {
    const found = known.find((one) => one === value);
    if (!found) throw new UsageError(`--${name} ${value} is none of ${known.join(", ")}`);
    return found;
  };
  const scenario = oneOf("scenario", String(values.scenario ?? "random"), scenarios);
  const redis = oneOf("redis", String(values.redis ?? "node"), redisSets);
  const names = Object.keys(faultKinds) as FaultName[];
  return {
    ...{ scenario, redis, seed: String(values.seed ?? 1), minutes: number("minutes", 2), pods: number("pods", 3) },
    ...{ organisations: number("organisations", 2), agents: number("agents", 4), visitors: number("visitors", 24) },
    ...{
      rate: number("rate", 60),
      connections: number("connections", 0),
      drainMs: number("drain", scenario === "rolling" ? 20_000 : 4_000),
    },
    ...{ graceMs: number("grace", scenario === "rolling" ? 10_000 : 4_000), gapMs: number("gap", 4_500) },
    only: String(values.only ?? "")
      .split(",")
      .filter(Boolean)
      .map((name) => oneOf("only", name.trim(), names)),
    env: Object.fromEntries(((values.env ?? []) as string[]).map((pair) => pair.split(/=(.*)/s).slice(0, 2))),
    ...{ out: values.out as string | undefined, json: values.json as string | undefined, keep: values.keep === true },
  };
}

function parse(args: string[], options: NonNullable<Parameters<typeof parseArgs>[0]>["options"] & object) {
  try {
    return parseArgs({ args, options });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
