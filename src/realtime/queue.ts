export type Queue = {
  /** Runs `work` after all that was enqueued before; what it rejects with goes to `onFault`. */
  enqueue(work: () => Promise<void>): void;
  /** How much is enqueued and hasn't run to its end. */
  length(): number;
  /** Resolves when everything enqueued so far has run. */
  idle(): Promise<void>;
};

/** Without it, six quick messages of one connection over an asynchronous store were kept as 1 6 3 4 2 5. */
export function createQueue(onFault: (error: unknown) => void): Queue {
  let tail = Promise.resolve();
  let length = 0;
  return {
    enqueue(work) {
      length++;
      tail = tail
        .then(work)
        .catch(onFault)
        .finally(() => {
          length--;
        });
    },
    length: () => length,
    idle: () => tail,
  };
}
