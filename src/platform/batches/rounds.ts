import { batched } from "./batch.ts";

/**
 * Runs works in rounds of at most `maxSize`, one round after the other. Works that come during a round are in the next.
 * The promise of a work resolves or rejects when this work ends: a work may wait for another one of its round.
 */
export function inRounds(maxSize: number): (work: () => Promise<void>) => Promise<void> {
  const round = batched((works: (() => Promise<void>)[]) => Promise.allSettled(works.map((work) => work())), {
    maxSize,
  });
  return (work) =>
    new Promise((resolve, reject) => {
      void round(async () => {
        await work().then(resolve, reject);
      });
    });
}
