import type { Timers } from "./time.ts";

/** One direction of a connection. It keeps the order. */
export interface Line {
  put(run: () => void): void;
  /** Nothing arrives until `resume`, once for each `pause`. */
  pause(): void;
  resume(): void;
  /** Nothing more arrives. */
  cut(): void;
}

/** @param latencyMs answers how long the next one takes; 0 is a microtask, which needs no timer */
export function createLine(timers: Timers, latencyMs: () => number): Line {
  const waiting: { run: () => void; at: number }[] = [];
  let [isCut, isScheduled] = [false, false];
  let [pauses, lastAt] = [0, 0];

  function carry(): void {
    isScheduled = false;
    while (pauses === 0 && !isCut && waiting.length > 0 && (waiting[0]?.at ?? 0) <= Date.now()) waiting.shift()?.run();
    schedule();
  }
  function schedule(): void {
    const [first] = waiting;
    if (pauses > 0 || isCut || isScheduled || !first) return;
    isScheduled = true;
    const inMs = first.at - Date.now();
    if (inMs <= 0) queueMicrotask(carry);
    else timers.after(inMs, carry);
  }
  return {
    put(run) {
      const latency = latencyMs();
      lastAt = latency === 0 ? Math.min(lastAt, Date.now()) : Math.max(lastAt, Date.now() + latency);
      waiting.push({ run, at: lastAt });
      schedule();
    },
    pause() {
      pauses++;
    },
    resume() {
      pauses--;
      schedule();
    },
    cut() {
      isCut = true;
      waiting.length = 0;
    },
  };
}
