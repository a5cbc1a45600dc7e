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

/** Runs `work` again and again, never twice at once. Returns what stops it. */
export function every(intervalMs: number, work: () => Promise<void> | void): () => void {
  let running = false;
  const timer = setInterval(async () => {
    if (running) return;
    running = true;
    try {
      await work();
    } finally {
      running = false;
    }
  }, intervalMs);
  return () => clearInterval(timer);
}
