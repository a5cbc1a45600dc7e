// Proves the service's promises while things fail: npm run chaos -- --help
import { writeFileSync } from "node:fs";
import { readOptions, USAGE, UsageError } from "./options.ts";
import { report } from "./report.ts";
import { run } from "./run.ts";

try {
  const options = readOptions(process.argv.slice(2));
  if (options) {
    const outcome = await run(options, console.log);
    console.log(report(outcome, options));
    const { findings, figures, folder } = outcome;
    const { seed, scenario, minutes } = options;
    if (options.json)
      writeFileSync(options.json, JSON.stringify({ seed, scenario, minutes, figures, findings, folder }, null, 2));
    process.exit(findings.length > 0 ? 1 : 0);
  }
  console.log(USAGE);
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : error);
  process.exit(2);
}
