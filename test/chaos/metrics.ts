export type PodMetrics = { connections: number; files: number; unknown: number; healed: Record<string, number> };

/** Reads a pod's figures from /metrics. */
export async function readMetrics(url: string): Promise<PodMetrics> {
  const text = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(5_000) })).text();
  const sum = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))].reduce((all, [, n]) => all + Number(n), 0);
  const healed = [...text.matchAll(/^chat_events_healed_total\{event="(\w+)"\} (\d+)$/gm)];
  return {
    ...{ connections: sum("chat_connections"), files: sum("process_open_fds") },
    unknown: sum("chat_unknown_entries_total"),
    healed: Object.fromEntries(healed.map(([, event, count]) => [event, Number(count)])),
  };
}
