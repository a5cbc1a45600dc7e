export type Queue = {
  /** Runs `work` after all that was enqueued before; what it rejects with goes to `onFault`. */
  enqueue(work: () => Promise<void>): void;
  /** Resolves when everything enqueued so far has run. */
  idle(): Promise<void>;
};

/** Without it, six quick messages of one connection over an asynchronous store were kept as 1 6 3 4 2 5. */
export function createQueue(onFault: (error: unknown) => void): Queue {
  let tail = Promise.resolve();
  return {
    enqueue(work) {
      tail = tail.then(work).catch(onFault);
    },
    idle: () => tail,
  };
}
