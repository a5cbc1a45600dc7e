/** When so many in a row can't be read alone either, none of them is to blame. */
const GIVE_UP_AFTER = 3;

/**
 * Reads many items by their ids at once. When that fails, it reads each alone: one that can't be read keeps none of the
 * others. `unreadable` are those; nothing is known of them. Rejects when all fail, as without a database.
 */
export async function readEach<T>(
  read: (ids: string[]) => Promise<T[]>,
  ids: string[],
): Promise<{ found: T[]; unreadable: Map<string, unknown> }> {
  const found: T[] = [];
  const unreadable = new Map<string, unknown>();
  try {
    return { found: await read(ids), unreadable };
  } catch (error) {
    if (ids.length === 1) throw error;
  }
  for (const id of ids) {
    try {
      found.push(...(await read([id])));
    } catch (error) {
      unreadable.set(id, error);
      if (unreadable.size >= GIVE_UP_AFTER && found.length === 0) throw error;
    }
  }
  if (found.length === 0 && unreadable.size === ids.length) throw unreadable.values().next().value;
  return { found, unreadable };
}
