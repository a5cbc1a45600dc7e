// Each measured process loads this module. At any message of its parent it reports its memory after a garbage collection.
import { setTimeout as delay } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as (how: object) => void;
/** Collects as V8 does before it gives up for lack of memory: it also gives back pages that are half empty. */
const collect = () => gc({ type: "major", execution: "sync", flavor: "last-resort" });

process.on("message", async () => {
  for (let n = 0; n < 4; n++) {
    collect();
    // Objects with finalizers are free only after the next collection.
    await delay(100);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send?.({ rss, used: heapUsed + external });
});
// The channel to the parent doesn't keep the process alive.
process.channel?.unref();
