type Options = {
  /** The most works that run at once. */
  atOnce: number;
  /** The most works of one key that run at once. */
  perKey?: number;
  /** The most works of one key that wait. */
  waiting: number;
  /** Creates the error for a work beyond `waiting`. */
  refusal: () => Error;
};

/** Runs the works of each key in order. The keys take turns, so that a key with many works doesn't delay the others. */
export function createTurns({ atOnce, perKey = 1, waiting, refusal }: Options) {
  /** The waiting works by key, in the order of the keys' turns. */
  const queues = new Map<string, (() => Promise<void>)[]>();
  /** The number of running works by key. */
  const running = new Map<string, number>();
  let count = 0;

  function runNext(): void {
    for (const [key, queue] of queues) {
      if (count >= atOnce) return;
      const own = running.get(key) ?? 0;
      const work = own < perKey ? queue.shift() : undefined;
      if (!work) continue;
      queues.delete(key);
      if (queue.length > 0) queues.set(key, queue);
      running.set(key, own + 1);
      count++;
      void work();
    }
  }

  function end(key: string): void {
    const left = (running.get(key) ?? 0) - 1;
    if (left > 0) running.set(key, left);
    else running.delete(key);
    count--;
    runNext();
  }

  return <T>(key: string, work: () => Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const queue = queues.get(key) ?? [];
      if (queue.length >= waiting) throw refusal();
      // Frees the place before the caller goes on.
      const run = () => work().finally(() => end(key));
      queue.push(() => run().then(resolve, reject));
      queues.set(key, queue);
      runNext();
    });
}
