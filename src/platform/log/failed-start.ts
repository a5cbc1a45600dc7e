import { ConfigError } from "../config-error.ts";
import { DataDirInUse } from "../data-dir.ts";
import { MigrationError, NotConnected } from "../postgres/migrate.ts";
import { explain } from "./explain.ts";
import { createLog } from "./log.ts";

/** Says why the process couldn't start: in one line what the operator can correct, else with the stack or as a log line. */
export async function reportFailedStart(error: unknown): Promise<void> {
  const isTheirs = [ConfigError, DataDirInUse, MigrationError].some((type) => error instanceof type);
  const why = error instanceof NotConnected ? error.message : explain(error);
  if (isTheirs) console.error((error as Error).message);
  else if (process.env.NODE_ENV !== "production") console.error(error instanceof NotConnected ? why : error);
  else {
    const { log, flush } = createLog({ logLevel: "fatal", production: true });
    log.fatal({ event: "start", err: error }, `could not start: ${why}`);
    await flush();
  }
}
