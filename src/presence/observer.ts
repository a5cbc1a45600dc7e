import type { FastifyBaseLogger } from "fastify";
import type { Counter, Histogram } from "prom-client";
import type { PresenceObserver } from "./presence.ts";

type PresenceMetrics = { sweeps: Histogram; evictions: Counter<"reason">; heldSweeps: Counter };

/** Creates an observer that counts and logs the work of presence. */
export function observePresence(metrics: PresenceMetrics, log: FastifyBaseLogger): PresenceObserver {
  let isHeld = false;
  return {
    swept: (seconds) => metrics.sweeps.observe(seconds),
    evicted: (reason) => metrics.evictions.inc({ reason }),
    held(wait) {
      if (wait) metrics.heldSweeps.inc();
      if (wait && !isHeld)
        log.warn({ event: "evictions_held", ...wait }, "evictions are held until presence is sure again");
      if (!wait && isHeld)
        log.info({ event: "evictions_resumed" }, "presence is sure again: offline users are evicted");
      isHeld = wait !== null;
    },
    peerLeaseEnded(process, users) {
      const level = users > 0 ? "warn" : "info";
      log[level](
        { event: "lease_ended", process, users },
        "the lease of another process has ended, and its users were evicted",
      );
    },
    ownLeaseEnded: (process) =>
      log.warn(
        { event: "own_lease_ended", process },
        "this process's lease had ended: its users may have been evicted",
      ),
  };
}
