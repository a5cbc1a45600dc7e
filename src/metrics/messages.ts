import { Counter, Histogram, type Registry } from "prom-client";
import type { RefusalCode } from "../contract/errors.ts";
import { type ClientEventName, clientEvents } from "../contract/events.ts";
import { countFromZero, observeFromZero } from "./known.ts";

const ACK_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];
const DELIVERY_BUCKETS = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];
const STATEMENT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];

/** The way of a message: in, stored, and out to its receivers. */
export function messageMetrics(registers: [Registry]) {
  const events = Object.keys(clientEvents) as ClientEventName[];
  // The results that alerts look for, and each event's success.
  const answers = ["internal", "unavailable", "ok"] satisfies (RefusalCode | "ok")[];
  return {
    events: countFromZero(
      new Counter({
        name: "chat_events_total",
        help: "Received events, by their result: ok, or the refusal's name. An event that doesn't exist is unknown",
        labelNames: ["event", "result"],
        registers,
      }),
      [
        ...events.flatMap((event) => answers.map((result) => ({ event, result }))),
        ...answers.slice(0, 2).map((result) => ({ event: "unknown", result })),
      ],
    ),
    acks: observeFromZero(
      new Histogram({
        name: "chat_ack_seconds",
        help: "From an event's arrival to its ack of true",
        labelNames: ["event"],
        buckets: ACK_BUCKETS,
        registers,
      }),
      events.map((event) => ({ event })),
    ),
    delivered: observeFromZero(
      new Histogram({
        name: "chat_delivery_seconds",
        help: "From the numbering of a message to its delivery to connections here: on its own process (local), through Redis (bus), or from the database after a loss (healed)",
        labelNames: ["way"],
        buckets: DELIVERY_BUCKETS,
        registers,
      }),
      ["local", "bus", "healed"].map((way) => ({ way })),
    ),
    /** "system" is "join room" and the like. */
    stored: countFromZero(
      new Counter({
        name: "chat_messages_total",
        help: "Stored messages, by their author",
        labelNames: ["kind"],
        registers,
      }),
      ["visitor", "staff", "system"].map((kind) => ({ kind })),
    ),
    batches: new Histogram({
      name: "chat_append_batch_size",
      help: "Messages written by one statement",
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 200],
      registers,
    }),
    appends: new Histogram({
      name: "chat_append_seconds",
      help: "Duration of such a statement, with its commit and its wait for a database connection",
      buckets: STATEMENT_BUCKETS,
      registers,
    }),
    gaps: new Counter({
      name: "chat_gaps_total",
      help: "Chats with a missing entry on this process: the bus lost it, or a process died before publishing it",
      registers,
    }),
    unknownEntries: new Counter({
      name: "chat_unknown_entries_total",
      help: "Entries of a kind that this version doesn't know, because a newer version wrote them: they are skipped",
      labelNames: ["log"],
      registers,
    }),
    healingFailures: new Counter({
      name: "chat_healing_failures_total",
      help: "Chats that could not be repaired from the database: each is logged with its id, and tried again later, alone",
      registers,
    }),
    healed: new Counter({
      name: "chat_events_healed_total",
      help: "Events that the bus lost on the way to this process, delivered from the database or from presence instead",
      labelNames: ["event"],
      registers,
    }),
  };
}
