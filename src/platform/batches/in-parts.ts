/** Some of the items, with their result or their error. */
type Piece<I, O> = { items: I[] } & ({ result: O; error?: never } | { error: unknown; result?: never });

/**
 * Runs items together. When that fails and `shouldSplit` agrees, it runs each half, down to single items: so an item that
 * fails alone fails no other. The pieces come in the order of the items, each when it has ended.
 */
export async function* inParts<I, O>(
  run: (items: I[]) => Promise<O>,
  items: I[],
  shouldSplit: (error: unknown) => boolean,
): AsyncGenerator<Piece<I, O>> {
  const whole = await run(items).then(
    (result) => ({ items, result }),
    (error: unknown) => ({ items, error }),
  );
  if ("result" in whole || items.length <= 1 || !shouldSplit(whole.error)) {
    yield whole;
    return;
  }
  const middle = Math.ceil(items.length / 2);
  for (const half of [items.slice(0, middle), items.slice(middle)]) yield* inParts(run, half, shouldSplit);
}
