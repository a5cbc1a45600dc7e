import { createBudget } from "../platform/budget.ts";

const MB = 1_000_000;

/**
 * The memory for all unanswered events, in bytes as `memoryOf` counts them. A pod of 1 GiB has room for the total next
 * to its other memory (docs/OPERATIONS.md, "Memory").
 */
const WAITING = { total: 96 * MB, perGroup: 48 * MB, perMember: 4 * MB };

/** Created once per process. Its groups are organisations, and its members connections. */
export const createWaitingBudget = () => createBudget(WAITING);

/** Promises, closures and a place in a batch: some 4 kB for each event, even a small one. */
const EVENT = 4_000;
/** Measured: an object, an array or a field takes up to 60 bytes in addition to its text. */
const VALUE = 64;

/**
 * The most memory that an event takes while it waits. That is its text twice, parsed and written to the database, and
 * each of its values. Many small fields take ten times their text.
 * @param bytes its size on arrival
 * @param args its arguments, nested to any depth
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

/** Every byte would count as a value. */
const isBytes = (value: object) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
