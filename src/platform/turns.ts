type Options = {
  /** So many works run at once. */
  atOnce: number;
  /** So many works of one key run at once. */
  perKey?: number;
  /** So many works of one key may wait. */
  waiting: number;
  /** Makes the error for a work that may not wait any more. */
  refusal: () => Error;
};

/** Runs the works of each key in order. The keys take turns: a key with many works doesn't hold up the others. */
export function createTurns({ atOnce, perKey = 1, waiting, refusal }: Options) {
  /** In the order in which it is their turn. */
  const queues = new Map<string, (() => Promise<void>)[]>();
  /** How many works of a key run. */
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
      // Its place is free before its caller goes on.
      const run = () => work().finally(() => end(key));
      queue.push(() => run().then(resolve, reject));
      queues.set(key, queue);
      runNext();
    });
}
