/** Reads a pod's figures from /metrics. */
export async function readMetrics(url: string): Promise<{ connections: number; files: number }> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const sum = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))].reduce((all, [, n]) => all + Number(n), 0);
  return { connections: sum("chat_connections"), files: sum("process_open_fds") };
}
