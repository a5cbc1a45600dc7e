import type { Connection } from "./connection.ts";

/** Inspects all connections: one that can't be inspected keeps none of the others from it. */
export function inspectAll(
  connections: Iterable<Pick<Connection, "inspect">>,
  onFault: (error: unknown) => void,
): void {
  for (const connection of connections) {
    try {
      connection.inspect();
    } catch (error) {
      onFault(error);
    }
  }
}
