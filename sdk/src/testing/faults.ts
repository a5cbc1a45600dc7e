import { FakeRefusal, type KnownCode } from "./refusals.ts";

/**
 * A fault meets one of these. A `command` is a client's event, and an `ack` is its answer. A `snapshot` is `visitor_init` or
 * `staff_init`, and an `event` is any other event of the server. A `connect` is a handshake. A `request` is an HTTP call,
 * and an `answer` is its answer.
 */
export type Subject = "command" | "ack" | "event" | "snapshot" | "connect" | "request" | "answer";

/** Which of them. All fields that are given must match. */
export interface FaultFilter {
  /** The name of the event, or the beginning of an HTTP call's path. */
  readonly name?: string | readonly string[];
  /** The id or the name of the user. */
  readonly user?: string;
  readonly chat?: string;
  /** How many are met: 1 where nothing else is said. */
  readonly times?: number;
}

/** A fault that waits for its occasions. */
export interface Fault {
  /** How many it has met so far. */
  readonly met: number;
  stop(): void;
}

export type Effect =
  | { readonly do: "lose" }
  | { readonly do: "delay"; readonly ms: number }
  | { readonly do: "repeat"; readonly afterMs: number }
  | { readonly do: "hold"; readonly count: number }
  | { readonly do: "garble"; readonly value: unknown }
  | { readonly do: "refuse"; readonly refusal: FakeRefusal };

/** Something that a fault may meet. */
export interface Occasion {
  readonly subject: Subject;
  readonly name: string;
  readonly userId: string | null;
  readonly userName: string | null;
  readonly chatId?: string | undefined;
}

type Rule = { subject: Subject; filter: FaultFilter; effect: Effect; met: number };

export function createFaults() {
  const rules = new Set<Rule>();
  const matches = ({ subject, filter }: Rule, occasion: Occasion) => {
    if (subject !== occasion.subject) return false;
    const { name, user, chat } = filter;
    const names = name === undefined ? null : typeof name === "string" ? [name] : name;
    const isPath = subject === "request" || subject === "answer";
    if (names && !names.some((one) => (isPath ? occasion.name.startsWith(one) : occasion.name === one))) return false;
    if (user !== undefined && user !== occasion.userId && user !== occasion.userName) return false;
    return chat === undefined || chat === occasion.chatId;
  };

  return {
    add(subject: Subject, effect: Effect, filter: FaultFilter = {}): Fault {
      const rule: Rule = { subject, filter, effect, met: 0 };
      rules.add(rule);
      return {
        get met() {
          return rule.met;
        },
        stop: () => void rules.delete(rule),
      };
    },
    /** The effect of the oldest fault that meets this; undefined when none does. */
    meet(occasion: Occasion): Effect | undefined {
      for (const rule of rules) {
        if (!matches(rule, occasion)) continue;
        rule.met++;
        if (rule.met >= (rule.filter.times ?? 1)) rules.delete(rule);
        return rule.effect;
      }
      return undefined;
    },
    clear: () => rules.clear(),
  };
}
export type Faults = ReturnType<typeof createFaults>;

export const refuseWith = (code: KnownCode | (string & {}), retryAfterMs?: number): Effect => ({
  ...{ do: "refuse", refusal: new FakeRefusal(code, { retryAfterMs }) },
});
