/**
 * Assigns events to flags, to as many as possible, each event to at most one flag. A flag prefers the first event that fits.
 * A flag that has an event keeps one: it may get another event, so that one more flag has an event.
 * @param flagOf the flags of events that are assigned already; the function adds to it
 */
export function assign<F, E>(
  flags: F[],
  events: E[],
  fits: (event: E, flag: F) => boolean,
  flagOf: Map<E, F> = new Map(),
): Map<E, F> {
  const assigned = new Set(flagOf.values());

  function place(flag: F, tried: Set<E>): boolean {
    for (const event of events) {
      if (tried.has(event) || !fits(event, flag)) continue;
      tried.add(event);
      const other = flagOf.get(event);
      if (other !== undefined && !place(other, tried)) continue;
      flagOf.set(event, flag);
      return true;
    }
    return false;
  }

  for (const flag of flags) if (!assigned.has(flag)) place(flag, new Set());
  return flagOf;
}
