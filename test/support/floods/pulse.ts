// Loaded into a pod by `--import`: prints how long its event loop stood still, and how much memory it has taken.
const STEP_MS = 5;
const EVERY_MS = 250;

let last = performance.now();
let stoppedMs = 0;
setInterval(() => {
  const now = performance.now();
  stoppedMs = Math.max(stoppedMs, now - last - STEP_MS);
  last = now;
}, STEP_MS).unref();

setInterval(() => {
  const { rss, heapUsed, external } = process.memoryUsage();
  const peak = process.resourceUsage().maxRSS * 1024;
  console.error(JSON.stringify({ pulse: { stoppedMs, rss, peak, heapUsed, external } }));
  stoppedMs = 0;
}, EVERY_MS).unref();
