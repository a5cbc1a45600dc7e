/**
 * Assigns an event to as many flags as possible, each event to at most one flag. Among the events that fit, a flag prefers
 * the first. A flag keeps its place when a later flag in the list needs its event: it then gets another event that fits.
 */
export function assign<F, E>(flags: F[], events: E[], fits: (event: E, flag: F) => boolean): Map<F, E> {
  const flagOf = new Map<E, F>();

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

  for (const flag of flags) place(flag, new Set());
  return new Map([...flagOf].map(([event, flag]) => [flag, event]));
}
