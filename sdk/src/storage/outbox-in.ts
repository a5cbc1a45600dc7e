import type { OutboxEntry, OutboxStorage } from "../types.ts";
import type { Place } from "./places.ts";

/** Clocks jump, so an entry's time can't give the order: `order` does. */
type Stored = [order: number, entry: OutboxEntry | undefined];

/** An outbox in a place. `load` also answers what it can't read, as undefined. */
export function outboxIn(place: Place): OutboxStorage {
  return {
    async load(owner) {
      let found: Stored[] = [];
      await place((texts) => {
        found = texts.map(parse);
        return undefined;
      });
      const mine = found.filter(([, entry]) => !entry || entry.owner === owner).sort((a, b) => a[0] - b[0]);
      return mine.map(([, entry]) => entry as OutboxEntry);
    },
    put: (entry) =>
      place((texts) => {
        let order = 1;
        for (const [other, { key } = {}] of texts.map(parse)) {
          if (key === entry.key) {
            order = other;
            break;
          }
          order = Math.max(order, other + 1);
        }
        return [entry.key, JSON.stringify([order, entry])];
      }),
    remove: (key) => place(() => [key]),
  };
}

function parse(text: unknown): Stored {
  try {
    const [order, entry] = JSON.parse(text as string);
    return [+order || 0, entry ?? undefined];
  } catch {
    return [0, undefined];
  }
}
