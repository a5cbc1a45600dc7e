import type { Cluster } from "./cluster.ts";
import type { Ledger, Note } from "./ledger.ts";

const EVERY_MS = 10_000;

/** Says now and then how it goes; counts what is noted on the way to the ledger. */
export function showProgress(cluster: Cluster, ledger: Ledger, say: (line: string) => void) {
  const startedAt = Date.now();
  let [acked, connected, faults] = [0, 0, 0];
  let current: string | null = null;
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    const elapsed = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    const ready = `${cluster.pods().filter((pod) => pod.isReady()).length} of ${cluster.pods().length} pods ready`;
    say(`${elapsed}  ${acked} acked, ${connected} connected, ${ready}, ${faults} faults, now: ${current ?? "quiet"}`);
  }, EVERY_MS);
  return {
    note(note: Note) {
      // Only messages have a number.
      if (note.kind === "answered" && note.ok && note.number) acked++;
      if (note.kind === "connected") connected++;
      if (note.kind === "disconnected") connected--;
      ledger.note(note);
    },
    fault(name: string | null) {
      if (name) faults++;
      current = name;
    },
    ending() {
      current = "the end of all chats";
    },
    stop: () => clearInterval(timer),
  };
}
