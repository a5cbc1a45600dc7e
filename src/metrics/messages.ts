import { Counter, Histogram, type Registry } from "prom-client";
import type { RefusalCode } from "../contract/errors.ts";
import { type ClientEventName, clientEvents } from "../contract/events.ts";
import { countFromZero, observeFromZero } from "./known.ts";

const ACK_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];
const DELIVERY_BUCKETS = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];
const STATEMENT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];

/** The way of a message: in, stored, and out to whom it concerns. */
export function messageMetrics(registers: [Registry]) {
  const events = Object.keys(clientEvents) as ClientEventName[];
  // What alerts look for, and each event's success.
  const answers = ["internal", "unavailable", "ok"] satisfies (RefusalCode | "ok")[];
  return {
    events: countFromZero(
      new Counter({
        name: "chat_events_total",
        help: "Events received, by what they were answered with: ok, or the refusal's name; what is no event is unknown",
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
        help: "From an event's arrival to its ack, of those acked true",
        labelNames: ["event"],
        buckets: ACK_BUCKETS,
        registers,
      }),
      events.map((event) => ({ event })),
    ),
    delivered: observeFromZero(
      new Histogram({
        name: "chat_delivery_seconds",
        help: "From a message's number to its being handed to the connections here: on its own process (local), through Redis (bus), or read from the database after the bus had lost it (healed)",
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
        help: "Messages stored, by who wrote them",
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
      help: "How long such a statement takes, commit and waiting for a database connection included",
      buckets: STATEMENT_BUCKETS,
      registers,
    }),
    gaps: new Counter({
      name: "chat_gaps_total",
      help: "Chats of which something was missing on this process: the bus has lost it, or a process died before it sent it",
      registers,
    }),
    unknownEntries: new Counter({
      name: "chat_unknown_entries_total",
      help: "Entries of chats that a newer version wrote and this version doesn't know: it passes over them",
      labelNames: ["log"],
      registers,
    }),
    healingFailures: new Counter({
      name: "chat_healing_failures_total",
      help: "Chats that could not be told from the database: each is tried again later, alone, and logged with its id",
      registers,
    }),
    healed: new Counter({
      name: "chat_events_healed_total",
      help: "Events that the bus lost on the way to this process, told from the database or from presence instead",
      labelNames: ["event"],
      registers,
    }),
  };
}
