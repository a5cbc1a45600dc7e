import * as fc from "fast-check";
import type { Cast } from "./cast.ts";

/** Something that goes wrong. */
export type Trouble =
  | {
      do: "lose";
      what: "command" | "ack" | "event" | "snapshot" | "connect" | "request" | "answer";
      who: string | null;
    }
  | {
      do: "delay";
      what: "command" | "ack" | "event" | "snapshot" | "connect" | "answer";
      ms: number;
      who: string | null;
    }
  | { do: "repeat"; what: "event" | "snapshot"; ms: number; who: string | null }
  | { do: "reorder"; count: number; who: string }
  | { do: "refuse"; what: "command" | "connect" | "request"; code: string; who: string | null }
  | { do: "disconnect" | "snapshot" | "expire"; who: string }
  | { do: "disconnectAll" | "snapshots" | "repair" }
  | { do: "away"; ms: number }
  | { do: "tokens"; mode: "throws" | "hangs" | "expired" | "works"; device: number }
  | { do: "storage"; mode: "fails" | "hangs" | "works"; device: number };

const who = fc.constantFrom("Vera", "Vito", "Alex", "Aki", "Sue");
const anyone = fc.option(who, { freq: 3 });
const ms = fc.constantFrom(1, 50, 400, 3_000, 7_000);
const device = fc.nat({ max: 6 });
const what = <T extends string>(...all: T[]) => fc.constantFrom(...all);

export const troubles: fc.WeightedArbitrary<Trouble>[] = [
  {
    weight: 8,
    arbitrary: fc.record({
      do: what("lose"),
      what: what("command", "ack", "ack", "event", "event", "snapshot", "connect", "request", "answer"),
      who: anyone,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: what("delay"),
      ...{ what: what("command", "ack", "event", "event", "snapshot", "connect", "answer"), ms, who: anyone },
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: what("repeat"), what: what("event", "snapshot"), ms, who: anyone }) },
  { weight: 2, arbitrary: fc.record({ do: what("reorder"), count: fc.integer({ min: 2, max: 4 }), who }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: what("refuse"),
      what: what("command", "command", "connect", "request"),
      ...{ code: what("tooFast", "busy", "draining", "unavailable", "internal"), who: anyone },
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: what("disconnect", "snapshot", "expire"), who }) },
  { weight: 2, arbitrary: fc.record({ do: what("disconnectAll", "snapshots", "repair") }) },
  { weight: 1, arbitrary: fc.record({ do: what("away"), ms }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: what("tokens"), mode: what("throws", "hangs", "expired", "works"), device }),
  },
  { weight: 2, arbitrary: fc.record({ do: what("storage"), mode: what("fails", "hangs", "works"), device }) },
] as fc.WeightedArbitrary<Trouble>[];

/** The events of chats: they are repaired, and may come in any order, and twice. */
const chatEvents = [
  ...["append_unclaimed_chats", "visitor_unclaimed_msg", "visitor_leave_queue", "staff_claim_chat", "staff_join_room"],
  ...["visitor_send", "staff_send", "staff_leave", "visitor_leave", "staff_being_taken_over_chat"],
  ...["staff_take_over_chat", "agent_new_chat", "new_staff_msg_for_supervisor", "new_visitor_msg_for_supervisor"],
  ...["staff_leave_chat_for_supervisor", "visitor_leave_chat_for_supervisor"],
  "chat_has_changed_priority_for_supervisor",
];
/** Repaired by their last value. The signals of visitors are not repaired: nothing is done to them. */
const rosterEvents = ["staff_goes_online", "staff_goes_offline"];

export function trouble({ server, all }: Cast, one: Trouble): void {
  const user = "who" in one && one.who ? { user: one.who } : {};
  switch (one.do) {
    case "lose":
      server.lose(one.what, { ...user, ...(one.what === "event" && { name: [...chatEvents, ...rosterEvents] }) });
      break;
    case "delay":
      server.delay(one.what, one.ms, { ...user, ...(one.what === "event" && { name: chatEvents }) });
      break;
    case "repeat":
      server.repeat(one.what, { ...user, afterMs: one.ms, ...(one.what === "event" && { name: chatEvents }) });
      break;
    case "reorder":
      server.reorder(one.count, { ...user, name: chatEvents });
      break;
    case "refuse":
      server.refuse(one.what, one.code, user);
      break;
    case "disconnect":
      server.disconnect(one.who);
      break;
    case "snapshot":
      server.snapshot(one.who);
      break;
    case "expire":
      server.tokens.expire(one.who);
      break;
    case "disconnectAll":
      server.disconnectAll();
      break;
    case "snapshots":
      server.snapshot();
      break;
    case "repair":
      server.repair();
      break;
    case "away":
      server.away();
      setTimeout(() => server.back(), one.ms);
      break;
    case "tokens":
      if (all[one.device]) (all[one.device] as (typeof all)[number]).tokens.mode = one.mode;
      break;
    case "storage":
      if (all[one.device]) (all[one.device] as (typeof all)[number]).storage.mode = one.mode;
      break;
  }
}
