import { setTimeout as delay } from "node:timers/promises";
import type { FastifyBaseLogger } from "fastify";
import type { LiveGauge } from "../platform/live-gauge.ts";
import { toLastLine } from "../platform/time.ts";
import type { Connection } from "./connection.ts";

type Options = {
  /** The time until the last client is disconnected. 0: all at once. */
  overMs: number;
  /** Called with the number of remaining connections. */
  onRemaining: (count: number) => void;
};

/** The interval of disconnects. */
const STEP_MS = 50;
/** How long unanswered events may delay a disconnect, and how long the last connections have at the end. */
const ANSWER_MS = 5_000;
const ANSWER_AT_END_MS = 1_500;
/** After this extra time the drain ends, even with connections left. */
const GIVE_UP_MS = 3_500;

/** Creates the function that drains the connections. It shows how many remain, and logs the begin and the end. */
export function createDrain(
  connections: ReadonlySet<Connection>,
  { overMs, metrics, log }: { overMs: number; metrics: { drainRemaining: LiveGauge }; log: FastifyBaseLogger },
): () => Promise<void> {
  let remaining = 0;
  metrics.drainRemaining.from(() => [{ labels: {}, value: remaining }]);
  return async () => {
    const startedAt = performance.now();
    log.info({ event: "drain", connections: connections.size, overMs }, "drain begins: clients are disconnected");
    const left = await drain(connections, {
      overMs,
      onRemaining(count) {
        remaining = count;
      },
    });
    const seconds = Math.round(performance.now() - startedAt) / 1_000;
    if (left > 0)
      log.warn(
        { event: "drain", connections: left, seconds },
        "drain ends with connections given up: their last work takes too long",
      );
    else log.info({ event: "drain", connections: 0, seconds }, "drain ends: no connection is left");
  };
}

/**
 * Disconnects all clients, evenly over the time, so that no crowd comes to the other processes. The n-th of N
 * connections is disconnected after (n - 1)/N of it, when its events are answered. Ends as soon as none is left.
 * Answers the number of remaining connections, at the latest 3.5 s after the time.
 */
async function drain(connections: ReadonlySet<Connection>, { overMs, onRemaining }: Options): Promise<number> {
  const startedAt = performance.now();
  const sentAway = new WeakSet<Connection>();
  let count = 0;
  for (;;) {
    const elapsedMs = performance.now() - startedAt;
    onRemaining(connections.size);
    if (connections.size === 0 || elapsedMs > overMs + GIVE_UP_MS) return connections.size;
    const staying = [...connections].filter((connection) => !sentAway.has(connection));
    // Also counts clients that finish their handshake meanwhile.
    const share = elapsedMs < overMs ? elapsedMs / overMs : 1;
    const due = Math.floor((count + staying.length) * share) + 1 - count;
    for (const connection of staying.slice(0, Math.max(due, 0))) {
      sentAway.add(connection);
      count++;
      connection.sendAway(Math.min(ANSWER_MS, overMs + ANSWER_AT_END_MS - elapsedMs)).catch(toLastLine);
    }
    await delay(STEP_MS);
  }
}
