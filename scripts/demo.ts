// Plays one conversation against a running service: npm run demo [-- --url http://localhost:3000]
import { parseArgs } from "node:util";
import { type Agent, type Customer, DemoError } from "./demo/person.ts";
import { play } from "./demo/play.ts";

const USAGE = `Usage: npm run demo [-- --url http://localhost:3000]

Plays a conversation of a visitor, two agents and a supervisor against a running service, and shows each event as it
arrives at each of them. It uses the demo accounts, which a service with a new embedded database has.

  --url   where the service runs; default: http://localhost with PORT, or 3000`;

const people: (Agent | Customer)[] = [];

process.once("SIGINT", () => void leave().finally(() => process.exit(130)));

try {
  const url = readUrl();
  if (url) await play(url, people);
  await leave();
} catch (error) {
  await leave();
  console.error(error instanceof DemoError ? `\n${error.message}` : error);
  process.exit(1);
}

/** Stops everybody. The service sees lost connections, whose grace period runs. */
async function leave(): Promise<void> {
  await Promise.all(people.map(({ client }) => client.stop()));
}

function readUrl(): string | undefined {
  const { url, help } = readOptions();
  if (help) {
    console.log(USAGE);
    return undefined;
  }
  const given = url ?? `http://localhost:${process.env.PORT || 3000}`;
  if (!/^https?:$/.test(URL.parse(given)?.protocol ?? ""))
    throw new DemoError(`--url ${given} is no http address.\n\n${USAGE}`);
  return given.replace(/\/+$/, "");
}

function readOptions() {
  try {
    return parseArgs({ options: { url: { type: "string" }, help: { type: "boolean" } } }).values;
  } catch (error) {
    throw new DemoError(`${(error as Error).message}\n\n${USAGE}`);
  }
}
