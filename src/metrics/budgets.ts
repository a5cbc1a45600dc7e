import { Counter, type Registry } from "prom-client";
import { liveGauge } from "../platform/live-gauge.ts";
import { countFromZero } from "./known.ts";

/** The memory that is counted. */
type BudgetName = "events" | "incoming" | "outgoing" | "bus";

/** The memory that may wait, the memory that waits, and the refusals because of it. */
export function budgetMetrics(registers: [Registry]) {
  const known = new Map<BudgetName, { used: () => number; total: number }>();
  const readings = (pick: (budget: { used: () => number; total: number }) => number) => () =>
    [...known].map(([budget, one]) => ({ labels: { budget }, value: pick(one) }));
  const used = liveGauge({
    name: "chat_budget_used_bytes",
    help: "Waiting bytes of this process: events without an ack (events), incomplete packets (incoming), packets for clients (outgoing), published bytes without Redis' answer (bus)",
    labelNames: ["budget"],
    registers,
  });
  const limits = liveGauge({
    name: "chat_budget_limit_bytes",
    help: "The most bytes that may wait",
    labelNames: ["budget"],
    registers,
  });
  used.from(readings((one) => one.used()));
  limits.from(readings((one) => one.total));
  return {
    /** From now on a budget is shown. */
    budget: (name: BudgetName, budget: { used: () => number; total: number }) => void known.set(name, budget),
    budgetRefusals: countFromZero(
      new Counter({
        name: "chat_budget_refusals_total",
        help: "Work that a full budget refused, by the part that was full: connection, organisation or process",
        labelNames: ["budget", "of"],
        registers,
      }),
      [
        ...["connection", "organisation", "process"].map((of) => ({ budget: "events", of })),
        ...["incoming", "outgoing", "bus"].map((budget) => ({ budget, of: "process" })),
      ],
    ),
  };
}
