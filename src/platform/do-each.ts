/**
 * Does `work` for each item. An item for which it fails keeps none of the others from it.
 * @returns the items for which it failed
 */
export function doEach<T>(items: Iterable<T>, work: (item: T) => void, onError: (error: unknown) => void): T[] {
  const failed: T[] = [];
  for (const item of items) {
    try {
      work(item);
    } catch (error) {
      failed.push(item);
      onError(error);
    }
  }
  return failed;
}
