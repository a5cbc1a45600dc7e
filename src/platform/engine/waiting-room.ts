/**
 * Bounds the sessions whose clients haven't shown a token yet, in all and for each source. When there is no room, the
 * source with most sessions loses its oldest one. A client that shows its token within its round-trip time stays: others
 * must open `perSource` sessions from the same source, or `total` from many sources, within that time.
 * @param onCrowdedOut called with a session that has lost its place; the session has left already
 */
export function createWaitingRoom<Session extends object>(
  { total, perSource }: { total: number; perSource: number },
  onCrowdedOut: (session: Session) => void,
) {
  const sources = new Map<Session, string>();
  /** The sessions of each source, the oldest first. */
  const bySource = new Map<string, Set<Session>>();

  function leave(session: Session): void {
    const source = sources.get(session);
    const own = source === undefined ? undefined : bySource.get(source);
    if (source === undefined || !own) return;
    sources.delete(session);
    own.delete(session);
    if (own.size === 0) bySource.delete(source);
  }

  function crowdOut([oldest]: Set<Session>): void {
    if (!oldest) return;
    leave(oldest);
    onCrowdedOut(oldest);
  }

  /** The earliest one among equals. */
  function largest(): Set<Session> {
    let found = new Set<Session>();
    for (const own of bySource.values()) if (own.size > found.size) found = own;
    return found;
  }

  return {
    enter(session: Session, source: string): void {
      const own = bySource.get(source) ?? new Set();
      if (own.size >= perSource) crowdOut(own);
      else if (sources.size >= total) crowdOut(largest());
      // The source has left when its only session was crowded out.
      bySource.set(source, own.add(session));
      sources.set(session, source);
    },
    /** Does nothing when the session isn't here any more. */
    leave,
    size: () => sources.size,
  };
}
