import { inParts } from "../batches/in-parts.ts";
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
  for await (const { items, result, error } of inParts(read, ids, mayBeOneItem)) {
    if (result) {
      found.push(...result);
      isAnyRead = true;
      continue;
    }
    if (isUnavailable(error)) throw error;
    for (const id of items) unreadable.set(id, error);
    if (!isAnyRead && unreadable.size >= Math.min(GIVE_UP_AFTER, ids.length)) throw error;
  }
  return { found, unreadable };
}

/** A found item, or the error of reading it. */
export type Answer<T> = { found: T } | { error: unknown };

/**
 * Reads the first items, as many as `read` answers at once. When that fails, it reads each half, so that an unreadable
 * item doesn't affect the others. When the database is away, all items have that error.
 */
export async function readApart<I, T>(read: (items: I[]) => Promise<T[]>, items: I[]): Promise<Answer<T>[]> {
  const answers: Answer<T>[] = [];
  for await (const { items: some, result, error } of inParts(read, items, mayBeOneItem)) {
    if (!result) answers.push(...some.map(() => ({ error })));
    else {
      answers.push(...result.map((found) => ({ found })));
      // Behind items that `read` left out nothing is answered.
      if (result.length < some.length) break;
    }
  }
  return answers;
}

const mayBeOneItem = (error: unknown) => !isUnavailable(error);
