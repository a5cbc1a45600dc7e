import { Refusal } from "../contract/errors.ts";
import { batched, later } from "../platform/batches/batch.ts";
import { untilRoom } from "../platform/engine/outgoing.ts";
import { type Answer, readApart } from "../platform/postgres/each.ts";

/** One statement reads the chats of at most this many staff, visitors or organisations. The store may read fewer. */
export const PEOPLE_READ = 200;
export const ORGANISATIONS_READ = 20;

/**
 * Shares one read among all waiting callers. The next read includes the callers that this one leaves out. An unreadable
 * item doesn't affect the others.
 */
export function shared<I, O>(
  { keyOf, atOnce }: { keyOf: (item: I) => string; atOnce: number },
  read: (items: I[]) => Promise<O[]>,
): (item: I) => Promise<O> {
  const one = batched<I, Answer<O>>(
    async (items) => {
      const wanted = [...new Map(items.map((item) => [keyOf(item), item]))].slice(0, atOnce);
      // The place is taken until the data is sent: some MB at most.
      if (!(await untilRoom())) throw new Refusal("busy");
      const results = await readApart(
        read,
        wanted.map(([, item]) => item),
      );
      const found = new Map(results.map((result, index) => [wanted[index]?.[0], result]));
      return items.map((item) => found.get(keyOf(item)) ?? later);
    },
    { maxSize: Number.POSITIVE_INFINITY },
  );
  return async (item) => {
    const answer = await one(item);
    if ("error" in answer) throw answer.error;
    return answer.found;
  };
}

/** Reads of one organisation, or of one person, by its id. */
export const byId = (atOnce: number) => ({ keyOf: (id: string) => id, atOnce });
