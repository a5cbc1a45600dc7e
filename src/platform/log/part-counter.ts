/** A counter with one label: the part of the process that failed. */
export type PartCounter = { inc(labels: { part: string }, value?: number): void };
