// Loaded into the processes that are measured: tells, when it is asked to, what is in use after a garbage collection.
import { setTimeout as delay } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as (how: object) => void;
/** Like the one that V8 itself makes before it gives up: pages that are half empty are given back as well. */
const collect = () => gc({ type: "major", execution: "sync", flavor: "last-resort" });

process.on("message", async () => {
  for (let n = 0; n < 4; n++) {
    collect();
    // What waits for finalizers is free after the next one.
    await delay(100);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send?.({ rss, used: heapUsed + external });
});
// Nobody who asks is no reason to stay.
process.channel?.unref();
