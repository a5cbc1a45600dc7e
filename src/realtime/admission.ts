import { createRateLimit } from "../platform/rate-limit.ts";
import type { Admission } from "./handshake.ts";

/**
 * Admits at most so many new connections a second to the process, until it is closed: then all clients are to go to
 * another process.
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
