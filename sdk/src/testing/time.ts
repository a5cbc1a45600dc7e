/** The server's clock and timers. Both use the global clock and timers at each call, so that a test may replace them. */
export interface FakeTime {
  /** Milliseconds since 1970 by the server's clock. */
  now(): number;
  /** Sets the server's clock ahead of this machine's, or behind it with a negative number. */
  skew(ms: number): void;
}

export interface Timers extends FakeTime {
  /** Answers a function that stops the timer. */
  after(ms: number, run: () => void): () => void;
  /** Stops all timers. */
  stop(): void;
}

/** A longer timer would run at once. */
const LONGEST_MS = 2 ** 31 - 1;

export function createTimers(skewMs: number): Timers {
  let ahead = skewMs;
  const running = new Set<() => void>();
  return {
    now: () => Date.now() + ahead,
    skew(ms) {
      ahead = ms;
    },
    after(ms, run) {
      const timer: unknown = setTimeout(
        () => {
          running.delete(stop);
          run();
        },
        Math.min(Math.max(ms, 0), LONGEST_MS),
      );
      // A grace period must not keep a program of Node.js running.
      (timer as { unref?: () => void }).unref?.();
      const stop = () => {
        running.delete(stop);
        clearTimeout(timer as number);
      };
      running.add(stop);
      return stop;
    },
    stop() {
      for (const stop of [...running]) stop();
    },
  };
}
