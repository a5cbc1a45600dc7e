import { collectDefaultMetrics, Registry } from "prom-client";
import { version } from "../platform/version.ts";
import { budgetMetrics } from "./budgets.ts";
import { chatMetrics } from "./chats.ts";
import { connectionMetrics } from "./connections.ts";
import { messageMetrics } from "./messages.ts";
import { partMetrics } from "./parts.ts";

export type Metrics = ReturnType<typeof createMetrics>;

/**
 * Everything that an operator sees of one process, read at `GET /metrics`. Labels have few values, all of them known to
 * the source: no input of a client becomes one.
 */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers: [Registry] = [registry];
  const metrics = {
    registry,
    ...connectionMetrics(registers),
    ...messageMetrics(registers),
    ...chatMetrics(registers),
    ...partMetrics(registers),
    ...budgetMetrics(registers),
  };
  metrics.build.from(() => [{ labels: { version, node: process.versions.node }, value: 1 }]);
  return metrics;
}
