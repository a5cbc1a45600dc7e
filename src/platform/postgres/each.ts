import { isUnavailable } from "./faults.ts";

/** After so many failures of single items, and no success, the fault isn't the items'. */
const GIVE_UP_AFTER = 3;

/**
 * Reads many items by their ids at once. When that fails, it reads each half, until it has found the unreadable items.
 * All other items are found. Rejects when all items fail, and at once when the database is away.
 */
export async function readEach<T>(
  read: (ids: string[]) => Promise<T[]>,
  ids: string[],
): Promise<{ found: T[]; unreadable: Map<string, unknown> }> {
  const found: T[] = [];
  const unreadable = new Map<string, unknown>();
  let isAnyRead = false;

  async function readSome(some: string[]): Promise<void> {
    try {
      found.push(...(await read(some)));
      isAnyRead = true;
    } catch (error) {
      if (isUnavailable(error)) throw error;
      const [id] = some;
      if (some.length <= 1) {
        if (id !== undefined) unreadable.set(id, error);
        if (!isAnyRead && unreadable.size >= Math.min(GIVE_UP_AFTER, ids.length)) throw error;
        return;
      }
      for (const half of halvesOf(some)) await readSome(half);
    }
  }

  await readSome(ids);
  return { found, unreadable };
}

/** A found item, or the error of reading it. */
export type Answer<T> = { found: T } | { error: unknown };

/**
 * Reads the first items, as many as `read` answers at once. When that fails, it reads each half, so that an unreadable
 * item doesn't affect the others. When the database is away, all items have that error.
 */
export async function readApart<I, T>(read: (items: I[]) => Promise<T[]>, items: I[]): Promise<Answer<T>[]> {
  try {
    return (await read(items)).map((found) => ({ found }));
  } catch (error) {
    if (items.length <= 1 || isUnavailable(error)) return items.map(() => ({ error }));
    const [first, second] = halvesOf(items);
    const answers = await readApart(read, first);
    // If `read` left out items of the first half, the second half isn't answered either.
    return answers.length < first.length ? answers : [...answers, ...(await readApart(read, second))];
  }
}

function halvesOf<T>(items: T[]): [T[], T[]] {
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)];
}
