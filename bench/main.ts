// Measures the service beside a plain Socket.IO relay: npm run bench -- --help
import { machine } from "./machine.ts";
import { throughput } from "./measure/throughput.ts";
import type { Measurement } from "./measurement.ts";
import { readOptions, UsageError, usage } from "./options.ts";
import { createReport } from "./report.ts";
import { startRig } from "./rig.ts";

const measurements: Measurement[] = [throughput];

// Leaves at once; what it has started ends with it.
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  process.on(signal, () => process.exit(code));

try {
  const names = measurements.map(({ name }) => name);
  const options = readOptions(process.argv.slice(2), names);
  if (options) {
    const { report, finish } = createReport(options.out, console.error);
    const rig = await startRig(options);
    try {
      for (const measurement of measurements) {
        if (options.only.length > 0 && !options.only.includes(measurement.name)) continue;
        report.step(`${measurement.name}: ${measurement.title}`);
        await measurement.run(rig, options, report);
      }
      console.log(finish(await machine(rig, options)));
    } finally {
      await rig.close();
    }
  } else {
    console.log(usage(measurements));
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${usage(measurements)}`);
  process.exit(2);
}
