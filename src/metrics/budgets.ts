import { Counter, type Registry } from "prom-client";
import { liveGauge } from "../platform/live-gauge.ts";
import { countFromZero } from "./known.ts";

/** What memory is counted for. */
type BudgetName = "events" | "incoming" | "outgoing" | "bus";

/** How much memory may wait, how much does, and what is refused because of it. */
export function budgetMetrics(registers: [Registry]) {
  const known = new Map<BudgetName, { used: () => number; total: number }>();
  const readings = (pick: (budget: { used: () => number; total: number }) => number) => () =>
    [...known].map(([budget, one]) => ({ labels: { budget }, value: pick(one) }));
  const used = liveGauge({
    name: "chat_budget_used_bytes",
    help: "Memory that waits in this process: events for their answer (events), packets for their end (incoming) or their clients (outgoing), what was published for Redis' answer (bus)",
    labelNames: ["budget"],
    registers,
  });
  const limits = liveGauge({
    name: "chat_budget_limit_bytes",
    help: "How much of it there may be",
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
        help: "What a budget had no room for, by whose part of it was used up: that of the connection, its organisation, or the process",
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
