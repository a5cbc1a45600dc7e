import type { Define } from "./define.ts";

/** How much memory may wait, how much does, and what is refused because of it. */
export const budgetMetrics = (define: Define) => ({
  budgets: define.live(
    "chat_budget_used_bytes",
    "Memory that waits in this process: events for their answer (events)",
    ["budget"],
  ),
  budgetLimits: define.live("chat_budget_limit_bytes", "How much of it there may be", ["budget"]),
  budgetRefusals: define.counter(
    "chat_budget_refusals_total",
    "What a budget had no room for, by whose part of it was used up: that of the connection, its organisation, or the process",
    ["budget", "of"],
    ["connection", "organisation", "process"].map((of) => ({ budget: "events", of })),
  ),
});
