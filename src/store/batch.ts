type Waiting<I, O> = { item: I; resolve: (result: O) => void; reject: (error: unknown) => void };

type BatchOptions<I> = {
  maxSize: number;
  /** A batch ends before the item with which it would be larger than this, by `sizeOf`. None is too large to be alone. */
  maxBytes?: number;
  sizeOf?: (item: I) => number;
  /** No two items of one key are in the same batch. */
  keyOf: (item: I) => string;
  /** A batch that fails so has changed nothing, and would succeed now. */
  shouldRetry: (error: unknown) => boolean;
  /** A batch that fails so may be the fault of one item: each is tried alone, so that none fails because of another. */
  shouldSplit: (error: unknown) => boolean;
};

const MAX_ATTEMPTS = 5;
/** Until all that the operating system has for this process by now has been read. */
const nextTurn = () => new Promise(setImmediate);

/**
 * Turns a function over many items into one over a single item: while one batch runs, the next one gathers. Items are
 * handed on in the order they came. A batch begins at the end of the event loop's turn: what has come in with its first
 * item goes with it.
 */
export function batched<I, O>(run: (items: I[]) => Promise<O[]>, options: BatchOptions<I>): (item: I) => Promise<O> {
  let waiting: Waiting<I, O>[] = [];
  let running = false;

  return (item) =>
    new Promise<O>((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (!running) void drain();
    });

  async function drain() {
    running = true;
    for (await nextTurn(); waiting.length > 0; await nextTurn()) {
      const batch = takeBatch();
      try {
        settle(batch, await attempt(batch));
      } catch (error) {
        if (batch.length === 1 || !options.shouldSplit(error)) for (const one of batch) one.reject(error);
        else for (const one of batch) await attempt([one]).then((results) => settle([one], results), one.reject);
      }
    }
    running = false;
  }

  function takeBatch(): Waiting<I, O>[] {
    const { maxSize, maxBytes = Number.POSITIVE_INFINITY, sizeOf = () => 0 } = options;
    const keys = new Set<string>();
    let bytes = 0;
    const batch: Waiting<I, O>[] = [];
    const later: Waiting<I, O>[] = [];
    for (const one of waiting) {
      const key = options.keyOf(one.item);
      if (batch.length === maxSize || bytes >= maxBytes || keys.has(key)) later.push(one);
      else if (batch.length > 0 && bytes + sizeOf(one.item) > maxBytes) {
        // What comes after it doesn't overtake it.
        bytes = maxBytes;
        later.push(one);
      } else {
        batch.push(one);
        bytes += sizeOf(one.item);
      }
      keys.add(key);
    }
    waiting = later;
    return batch;
  }

  async function attempt(batch: Waiting<I, O>[]): Promise<O[]> {
    for (let tries = 1; ; tries++) {
      try {
        return await run(batch.map((one) => one.item));
      } catch (error) {
        if (tries === MAX_ATTEMPTS || !options.shouldRetry(error)) throw error;
      }
    }
  }
}

function settle<I, O>(batch: Waiting<I, O>[], results: O[]) {
  batch.forEach((one, index) => {
    one.resolve(results[index] as O);
  });
}
