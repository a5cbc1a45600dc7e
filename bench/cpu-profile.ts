/** A profile as V8 writes it (`node --cpu-prof`): a tree of calls, and the call that ran at each sample. */
export type CpuProfile = {
  nodes: { id: number; callFrame: { functionName: string; url: string }; children?: number[] }[];
  samples: number[];
  /** Microseconds from one sample to the next. */
  timeDeltas: number[];
};

/** V8's name for the time in which the process waits for work. */
const IDLE = "(idle)";

/** The part of the CPU time in chosen files and the functions that they call. Only the last `lastMs` of the profile count. */
export function shareOf(
  { nodes, samples, timeDeltas }: CpuProfile,
  { isChosen, lastMs }: { isChosen: (url: string) => boolean; lastMs: number },
): number {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const chosen = new Set<number>();
  const choose = (id: number) => {
    chosen.add(id);
    for (const child of byId.get(id)?.children ?? []) choose(child);
  };
  for (const { id, callFrame } of nodes) if (isChosen(callFrame.url)) choose(id);

  let [busy, ofChosen] = [0, 0];
  let leftUs = timeDeltas.reduce((sum, took) => sum + took, 0);
  for (const [n, id] of samples.entries()) {
    const took = timeDeltas[n] ?? 0;
    leftUs -= took;
    if (leftUs >= lastMs * 1_000) continue;
    if (byId.get(id)?.callFrame.functionName === IDLE) continue;
    busy += took;
    if (chosen.has(id)) ofChosen += took;
  }
  return ofChosen / busy;
}
