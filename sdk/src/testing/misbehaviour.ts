import type { ServerConnection } from "./connection.ts";
import { type Fault, type FaultFilter, type Faults, refuseWith, type Subject } from "./faults.ts";
import type { People, StaffRole } from "./people.ts";
import type { Presence } from "./presence.ts";
import type { KnownCode } from "./refusals.ts";
import type { Repair } from "./repair.ts";
import type { FakeService } from "./service.ts";

type Code = KnownCode | (string & {});

/** Everything that goes wrong, by order. A fault waits for its next occasion, or for as many as `times` says. */
export interface Misbehaviour {
  /**
   * Loses something. A lost `command` isn't stored. A lost `ack` is: only its answer is missing. The server delivers a lost
   * `event` again after `repairMs`. After a lost `connect` or `snapshot` the connection is lost.
   */
  lose(what: Subject, filter?: FaultFilter): Fault;
  /** Delivers something later. Events may overtake an event or an ack. Nothing overtakes a `command` or a `snapshot`. */
  delay(what: Subject, ms: number, filter?: FaultFilter): Fault;
  /** Delivers an event again, `afterMs` later, or a snapshot twice. */
  repeat(what: "event" | "snapshot", filter?: FaultFilter & { afterMs?: number }): Fault;
  /**
   * Holds the next events, so many of them, and then delivers them in the opposite order. Name a user with one connection.
   * Events that are too few go on after a second.
   */
  reorder(count: number, filter?: FaultFilter): Fault;
  /** Refuses something with a code of the server. */
  refuse(what: "command" | "connect" | "request", code: Code, filter?: FaultFilter & { retryAfterMs?: number }): Fault;
  /** Sends a value that no server would send, in the place of the right one. */
  garble(what: "ack" | "event" | "snapshot" | "answer", value: unknown, filter?: FaultFilter): Fault;
  /** Takes back all faults that still wait. */
  behave(): void;
  /** Delivers all lost, delayed and held events now. */
  repair(): void;
  /** Sends a snapshot to each connection, or to the connections of one user. */
  snapshot(user?: string): void;
  /** Cuts the connections of one user, or of everybody, as a lost network does. */
  disconnect(user: string): void;
  disconnectAll(): void;
  /** Can't be reached from now on, and cuts all connections; until `back`. */
  away(): void;
  back(): void;
  /** Disables a user: they leave at once, and can't come back until `enable`. */
  disable(user: string): void;
  enable(user: string): void;
  setRole(user: string, role: StaffRole): void;
}

type Parts = { faults: Faults; service: FakeService; people: People; presence: Presence; repair: Repair };

export function createMisbehaviour({ faults, service, people, presence, repair }: Parts) {
  const idOf = (user: string) => people.get(user).user.id;
  const cut = (matches: (connection: ServerConnection) => boolean, how: "lost" | "ended") => {
    for (const connection of [...service.connections]) if (matches(connection)) connection.cut(how);
  };
  const change = (user: string, fields: object) => void people.change(idOf(user), fields);

  return {
    cut,
    lose: (what, filter) => faults.add(what, { do: "lose" }, filter),
    delay: (what, ms, filter) => faults.add(what, { do: "delay", ms }, filter),
    repeat: (what, { afterMs = 0, ...filter } = {}) => faults.add(what, { do: "repeat", afterMs }, filter),
    reorder: (count, filter) => faults.add("event", { do: "hold", count }, { times: count, ...filter }),
    refuse: (what, code, { retryAfterMs, ...filter } = {}) => faults.add(what, refuseWith(code, retryAfterMs), filter),
    garble: (what, value, filter) => faults.add(what, { do: "garble", value }, filter),
    behave: () => faults.clear(),
    repair() {
      for (const connection of service.connections) connection.release();
      repair.run();
    },
    snapshot(user) {
      for (const connection of service.connections) {
        if (user === undefined || connection.userId === idOf(user)) service.sendSnapshot(connection);
      }
    },
    disconnect: (user) => cut(({ userId }) => userId === idOf(user), "lost"),
    disconnectAll: () => cut(() => true, "lost"),
    away() {
      service.setAway(true);
      cut(() => true, "lost");
    },
    back: () => service.setAway(false),
    disable(user) {
      change(user, { disabled: true });
      const id = idOf(user);
      cut(({ userId }) => userId === id, "ended");
      presence.dismiss(id);
    },
    enable: (user) => change(user, { disabled: false }),
    setRole(user, role) {
      change(user, { role_id: { admin: 1, supervisor: 2, agent: 3 }[role] });
      cut(({ userId }) => userId === idOf(user), "lost");
    },
  } satisfies Misbehaviour & { cut: unknown };
}
