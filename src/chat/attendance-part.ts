import type { Part } from "../platform/part.ts";
import { SWEEP_INTERVAL_MS, TOUCH_INTERVAL_MS } from "../presence/presence.ts";
import type { Attendance } from "./attendance.ts";

/** How often the members of open chats are compared with presence. */
const RECONCILE_INTERVAL_MS = 15_000;

type Options = {
  /** There is no other process, to which clients could go. */
  isAlone: boolean;
  onPresenceFault: (error: unknown) => void;
  onSweepFault: (error: unknown) => void;
};

export function attendancePart(attendance: Attendance, { isAlone, onPresenceFault, onSweepFault }: Options): Part {
  return {
    timers: [
      { everyMs: TOUCH_INTERVAL_MS, work: attendance.touch, onError: onPresenceFault },
      { everyMs: RECONCILE_INTERVAL_MS, work: attendance.reconcile, onError: onPresenceFault },
      // Users with a short grace period return after the restart: a drain without other processes must not evict them.
      { everyMs: SWEEP_INTERVAL_MS, work: attendance.sweep, onError: onSweepFault, endsWithDrain: isAlone },
    ],
    async start() {
      await attendance.touch();
      await attendance.reconcile();
    },
  };
}
