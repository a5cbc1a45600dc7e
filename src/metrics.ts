import { collectDefaultMetrics, Registry } from "prom-client";
import { budgetMetrics } from "./metrics/budgets.ts";
import { chatMetrics } from "./metrics/chats.ts";
import { connectionMetrics } from "./metrics/connections.ts";
import { definer } from "./metrics/define.ts";
import { messageMetrics } from "./metrics/messages.ts";
import { partMetrics } from "./metrics/parts.ts";
import { version } from "./version.ts";

export type Metrics = ReturnType<typeof createMetrics>;

/**
 * What an operator can see of one process; read at `GET /metrics`. Labels have few values, all of them known to the
 * source: nothing that a client sends becomes one.
 */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const define = definer(registry);
  const metrics = {
    registry,
    ...connectionMetrics(define),
    ...messageMetrics(define),
    ...chatMetrics(define),
    ...partMetrics(define),
    ...budgetMetrics(define),
  };
  metrics.build.from(() => [{ labels: { version, node: process.versions.node }, value: 1 }]);
  return metrics;
}
