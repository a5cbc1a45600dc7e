/**
 * Calls `work` for each item, also after it has failed for one of them.
 * @returns the items that it failed for
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
