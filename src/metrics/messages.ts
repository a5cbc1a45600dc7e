import type { RefusalCode } from "../contract/errors.ts";
import { type ClientEventName, clientEvents } from "../contract/events.ts";
import type { Count } from "./cells.ts";
import type { Define } from "./define.ts";

const ACK_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];
const DELIVERY_BUCKETS = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];
const STATEMENT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];

/** What becomes of one kind of event. */
export type EventMeter = { acked(seconds: number): void; refused(code: RefusalCode): void };

/** The way of a message: in, stored, and out to whom it concerns. */
export function messageMetrics(define: Define) {
  const countEvent = define.counting(
    "chat_events_total",
    "Events received, by what they were answered with: ok, or the refusal's name; what is no event is unknown",
    ["event", "result"],
  );
  const observeAck = define.observing(
    "chat_ack_seconds",
    "From an event's arrival to its ack, of those acked true",
    ACK_BUCKETS,
    ["event"],
  );
  const observeDelivery = define.observing(
    "chat_delivery_seconds",
    "From a message's number to its being handed to the connections here: on its own process (local), through Redis (bus), or read from the database after the bus had lost it (healed)",
    DELIVERY_BUCKETS,
    ["way"],
  );
  const countMessage = define.counting("chat_messages_total", "Messages stored, by who wrote them", ["kind"]);

  function meterOf(event: ClientEventName | "unknown"): EventMeter {
    const refusals = new Map<RefusalCode, Count>(
      // What alerts look for is there from the start: of what isn't there, the first one can't be seen to be one more.
      (["internal", "unavailable"] as const).map((code) => [code, countEvent({ event, result: code })]),
    );
    const [countOk, observe] =
      event === "unknown" ? [() => {}, () => {}] : [countEvent({ event, result: "ok" }), observeAck({ event })];
    return {
      acked(seconds) {
        countOk();
        observe(seconds);
      },
      refused(code) {
        const count = refusals.get(code) ?? countEvent({ event, result: code });
        refusals.set(code, count);
        count();
      },
    };
  }
  const events = new Map<string, EventMeter>(
    (Object.keys(clientEvents) as ClientEventName[]).map((event) => [event, meterOf(event)]),
  );
  const unknown = meterOf("unknown");

  return {
    /** Of an event by its name; null is one that doesn't exist. */
    event: (name: ClientEventName | null): EventMeter => (name === null ? unknown : (events.get(name) as EventMeter)),
    delivered: {
      local: observeDelivery({ way: "local" }),
      bus: observeDelivery({ way: "bus" }),
      healed: observeDelivery({ way: "healed" }),
    },
    stored: {
      visitor: countMessage({ kind: "visitor" }),
      staff: countMessage({ kind: "staff" }),
      /** "join room" and the like. */
      system: countMessage({ kind: "system" }),
    },
    batches: define.histogram(
      "chat_append_batch_size",
      "Messages written by one statement",
      [1, 2, 4, 8, 16, 32, 64, 128, 200],
    ),
    appends: define.histogram(
      "chat_append_seconds",
      "How long such a statement takes, commit and waiting for a database connection included",
      STATEMENT_BUCKETS,
    ),
    gaps: define.counter(
      "chat_gaps_total",
      "Chats of which something was missing on this process: the bus has lost it, or a process died before it sent it",
    ),
    unknownEntries: define.counter(
      "chat_unknown_entries_total",
      "Entries of chats that a newer version wrote and this version doesn't know: it passes over them",
      ["log"],
    ),
    healingFailures: define.counter(
      "chat_healing_failures_total",
      "Chats that could not be told from the database: each is tried again later, alone, and logged with its id",
    ),
    healed: define.counter(
      "chat_events_healed_total",
      "Events that the bus lost on the way to this process, told from the database or from presence instead",
      ["event"],
    ),
  };
}
