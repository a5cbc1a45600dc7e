import { createRateLimit } from "../platform/rate-limit.ts";
import type { Admission } from "./handshake.ts";

/**
 * Admits at most this many new connections per second to the process, until it is closed. From then on all clients must
 * go to another process.
 */
export function createAdmission(connectRate: number): Admission & { close(): void } {
  let isClosed = false;
  return {
    mayEnter: createRateLimit({ perSecond: connectRate, burst: connectRate }),
    isClosed: () => isClosed,
    close() {
      isClosed = true;
    },
  };
}
