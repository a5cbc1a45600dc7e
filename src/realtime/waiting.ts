import { createBudget } from "../platform/budget.ts";

const MB = 1_000_000;

/**
 * How much memory all events may take that wait for their ack, in bytes as `memoryOf` counts them. A pod of 1 GiB has
 * room for the total beside what it sends, reads and holds for its connections (docs/OPERATIONS.md, "Memory").
 */
const WAITING = { total: 96 * MB, perGroup: 48 * MB, perMember: 4 * MB };

/** Made once for a process; its groups are organisations, its members connections. */
export const createWaitingBudget = () => createBudget(WAITING);

/** Promises, closures and a place in a batch: some 4 kB for each event, however small. */
const EVENT = 4_000;
/** Measured: an object, an array or a field takes up to 60 bytes beside its text. */
const VALUE = 64;

/**
 * How much memory an event takes at most while it waits: its text twice, as parsed and as written to the database, and
 * each of its values. Many small fields take ten times their text.
 * @param bytes its size as it arrived
 * @param args its arguments, which may be nested to any depth
 */
export function memoryOf(bytes: number, args: unknown[]): number {
  let values = 0;
  const open: object[] = [args];
  for (let one = open.pop(); one; one = open.pop()) {
    const inner: unknown[] = Array.isArray(one) ? one : Object.values(one);
    values += inner.length;
    for (const value of inner) if (typeof value === "object" && value !== null && !isBytes(value)) open.push(value);
  }
  return EVENT + 2 * bytes + VALUE * values;
}

/** Each byte would count as a value. */
const isBytes = (value: object) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
