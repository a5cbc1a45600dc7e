const MAX_PAUSE_MS = 200;

/** The pause before the next attempt: short at first, and random so that two rivals don't collide again. */
export const pauseMs = (tries: number): number => Math.min(2 ** tries, MAX_PAUSE_MS) * (0.5 + Math.random() / 2);
