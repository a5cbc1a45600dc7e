import { parseArgs } from "node:util";

export class UsageError extends Error {}

export type Options = {
  /** Names of measurements; empty for all of them. */
  only: string[];
  quick: boolean;
  rounds: number;
  pods: number[];
  /** How long one run is measured, after its warm-up. */
  seconds: number;
  out: string;
  /** Folder for the CPU profiles of the pods of ours. */
  cpuProf: string | undefined;
};

export const usage = (measurements: { name: string; title: string }[]): string => `Usage: npm run bench -- [options]

Measures the service beside a plain Socket.IO relay on this machine, with a Redis and a PostgreSQL of its own, and writes
tables, charts and all figures to bench/results. It takes about 20 minutes; the machine should have nothing else to do.

  --quick         smaller numbers: under two minutes
  --only A,B      only these measurements:
${measurements.map(({ name, title }) => `                    ${name.padEnd(12)} ${title}`).join("\n")}
  --rounds N      how often each run is repeated, in turns; default: 3, quick: 1
  --pods A,B      numbers of processes; default: 1,2,4,8, quick: 1,4
  --seconds N     how long each run is measured; default: 5, quick: 2
  --out DIR       default: bench/results
  --cpu-prof DIR  writes CPU profiles of the service's processes there
  --help`;

/** Null when the arguments ask for help. */
export function readOptions(args: string[], names: string[]): Options | null {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const { values } = parse(args, {
    ...{ quick: flag, help: flag },
    ...{ only: text, rounds: text, pods: text, seconds: text, out: text, "cpu-prof": text },
  });
  if (values.help) return null;
  const quick = values.quick === true;
  const list = (name: "only" | "pods") => (values[name] as string | undefined)?.split(",").map((one) => one.trim());
  const count = (name: string, value: unknown) => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < 1) throw new UsageError(`--${name} ${value}: expected a number from 1`);
    return number;
  };
  const only = list("only") ?? [];
  for (const name of only) {
    if (!names.includes(name)) throw new UsageError(`--only ${name}: expected some of ${names.join(", ")}`);
  }
  const pods = (list("pods") ?? (quick ? [1, 4] : [1, 2, 4, 8])).map((one) => count("pods", one));
  return {
    ...{ only, quick, pods: [...new Set(pods)].sort((a, b) => a - b) },
    rounds: count("rounds", values.rounds ?? (quick ? 1 : 3)),
    seconds: count("seconds", values.seconds ?? (quick ? 2 : 5)),
    out: (values.out as string | undefined) ?? "bench/results",
    cpuProf: values["cpu-prof"] as string | undefined,
  };
}

function parse(args: string[], options: NonNullable<Parameters<typeof parseArgs>[0]>["options"] & object) {
  try {
    return parseArgs({ args, options });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
