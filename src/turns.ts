type Options = {
  /** So many works run at once, of each key one. */
  atOnce: number;
  /** So many of a key may wait. */
  waiting: number;
  /** What a work is refused with when more of its key would wait. */
  refusal: () => Error;
};

/** Runs works, those of each key one after the other; the keys take turns, so that one with many doesn't hold up the others. */
export function createTurns({ atOnce, waiting, refusal }: Options) {
  /** In the order in which it is their turn. */
  const queues = new Map<string, (() => Promise<void>)[]>();
  const busy = new Set<string>();

  function runNext(): void {
    for (const [key, queue] of queues) {
      if (busy.size >= atOnce) return;
      if (busy.has(key)) continue;
      const work = queue.shift();
      queues.delete(key);
      if (queue.length > 0) queues.set(key, queue);
      busy.add(key);
      void work?.().finally(() => {
        busy.delete(key);
        runNext();
      });
    }
  }

  return <T>(key: string, work: () => Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const queue = queues.get(key) ?? [];
      if (queue.length >= waiting) throw refusal();
      queue.push(() => work().then(resolve, reject));
      queues.set(key, queue);
      runNext();
    });
}
