import type { FastifyBaseLogger } from "fastify";
import type { PresenceObserver } from "../presence/presence.ts";
import type { Metrics } from "./metrics.ts";

/** Counts and logs what presence does. */
export function observePresence(metrics: Metrics, log: FastifyBaseLogger): PresenceObserver {
  let isHeld = false;
  return {
    swept: (seconds) => metrics.sweeps.observe(seconds),
    left: (reason) => metrics.gone.inc({ reason }),
    held(wait) {
      if (wait) metrics.heldSweeps.inc();
      if (wait && !isHeld)
        log.warn({ event: "evictions_held", ...wait }, "nobody is evicted until presence is sure again");
      if (!wait && isHeld) log.info({ event: "evictions_resumed" }, "presence is sure again: users who are gone leave");
      isHeld = wait !== null;
    },
    peerLeaseEnded(process, users) {
      const level = users > 0 ? "warn" : "info";
      log[level](
        { event: "lease_ended", process, users },
        "the lease of another process has ended, and its users have left",
      );
    },
    ownLeaseEnded: (process) =>
      log.warn(
        { event: "own_lease_ended", process },
        "this process's lease had ended: its users may have been evicted",
      ),
  };
}
