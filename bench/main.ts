// Measures the service beside a plain Socket.IO relay: npm run bench -- --help
import { machine } from "./machine.ts";
import { connections } from "./measure/connections.ts";
import { growth } from "./measure/growth.ts";
import { PODS as LATENCY_PODS, latency } from "./measure/latency.ts";
import { metrics } from "./measure/metrics.ts";
import { storm } from "./measure/storm.ts";
import { throughput } from "./measure/throughput.ts";
import type { Measurement } from "./measurement.ts";
import { type Options, readOptions, UsageError, usage } from "./options.ts";
import { createReport } from "./report.ts";
import { type Rig, startRig } from "./rig.ts";

const measurements: Measurement[] = [throughput, latency, growth, connections, storm, metrics];

let rig: Rig | undefined;
let isStopped = false;
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.on(signal, async () => {
    // The signal comes twice when npm passes it on as well.
    if (isStopped) return;
    isStopped = true;
    await rig?.close();
    process.exit(code);
  });
}

try {
  const options = readOptions(
    process.argv.slice(2),
    measurements.map(({ name }) => name),
  );
  if (options) console.log(await run(options));
  else console.log(usage(measurements));
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n\n${usage(measurements)}`);
  // Ignore failures that the stop itself causes.
  else if (!isStopped) console.error(error);
  if (!isStopped) process.exit(error instanceof UsageError ? 2 : 1);
}

async function run(options: Options): Promise<string> {
  const { report, finish } = createReport(options.out, console.error);
  rig = await startRig({ ...options, maxPods: Math.max(...options.pods, LATENCY_PODS) });
  try {
    for (const measurement of measurements) {
      if (options.only.length > 0 && !options.only.includes(measurement.name)) continue;
      report.step(`${measurement.name}: ${measurement.title}`);
      try {
        await measurement.run(rig, options, report);
      } catch (error) {
        if (isStopped) throw error;
        // The other measurements stay valid, so go on with them.
        console.error(`${measurement.name} has failed:`, error);
        process.exitCode = 1;
      }
    }
    return finish(await machine(rig, options));
  } finally {
    if (!isStopped) await rig.close();
  }
}
