import type { Connection, Insides } from "./insides.ts";

type Listener<Event extends "data" | "close"> = (...given: Insides["engine.io Socket event"][Event]) => void;

/**
 * Puts a listener in the place of the one that Socket.IO's Client has for an event of its connection.
 * @returns the Client's listener
 */
export function takeOver<Event extends "data" | "close">(
  connection: Connection,
  event: Event,
  listener: Listener<Event>,
): Listener<Event> {
  const own = connection.listeners(event).find(({ name }) => name === `bound on${event}`);
  if (!own) throw new Error(`Socket.IO's Client doesn't listen to "${event}" any more`);
  connection.off(event, own).on(event, listener);
  return own;
}
