/** Waits for `work`, at most `ms`. Answers whether it finished in time. Rejects when `work` rejects. */
export async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  try {
    return await Promise.race([work.then(() => true), tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs `work` at an interval, never twice at once. Errors go to `onError`; otherwise they would end the process.
 * @returns a function that stops it
 */
export function every(intervalMs: number, work: () => unknown, onError: (error: unknown) => void): () => void {
  let running = false;
  const timer = setInterval(async () => {
    if (running) return;
    running = true;
    try {
      await work();
    } catch (error) {
      onError(error);
    } finally {
      running = false;
    }
  }, intervalMs);
  return () => clearInterval(timer);
}

/** Runs `work` once, after `ms`. The timer doesn't keep the process alive. For `onError` see `every`. */
export function after(ms: number, work: () => unknown, onError: (error: unknown) => void): NodeJS.Timeout {
  const run = async () => {
    try {
      await work();
    } catch (error) {
      onError(error);
    }
  };
  return setTimeout(run, ms).unref();
}

/**
 * Turns an error into an unhandled rejection, which ./last-line.ts logs and counts. For errors that no caller can handle,
 * and that need not end the process.
 */
export function toLastLine(error: unknown): void {
  void Promise.reject(error);
}
