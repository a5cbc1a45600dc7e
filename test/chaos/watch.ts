import type { Ledger } from "./ledger.ts";

const EVERY_MS = 100;
const TOO_LATE_MS = 400;

/** Notes when this process itself couldn't run: events that it then received late weren't sent late. */
export function watchOurselves(ledger: Ledger): () => void {
  let last = Date.now();
  const timer = setInterval(() => {
    const now = Date.now();
    if (now - last > EVERY_MS + TOO_LATE_MS) {
      ledger.note({
        ...{ kind: "fault", t: last, end: now, name: "the harness stood still", of: "harness", pods: [] },
        ...{ isolates: false, losesPresence: false, restarts: false, about: `${now - last} ms` },
      });
    }
    last = now;
  }, EVERY_MS);
  return () => clearInterval(timer);
}
