/** Waits for `work`, but not longer than `ms`. Answers whether it was in time; what it rejects with is passed on. */
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
 * Runs `work` again and again, never twice at once. What it throws or rejects with goes to `onError`: it would end the process
 * otherwise. Returns what stops it.
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

/** Runs `work` once, after `ms`; a process that has nothing else to do doesn't wait for it. For `onError` see `every`. */
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
 * For an error that nobody near can handle, and that is no reason to end the process: it becomes a rejection, and those
 * are logged and counted by ./last-line.ts.
 */
export function toLastLine(error: unknown): void {
  void Promise.reject(error);
}
