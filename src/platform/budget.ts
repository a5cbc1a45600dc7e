import { Meter } from "./meter.ts";

/** The part of a budget that has no room: the member's, its group's, or the total. */
export type Spent = "member" | "group" | "total";

export type BudgetLimits = { total: number; perGroup: number; perMember: number };

export type BudgetMember = {
  /** Takes `bytes`, or nothing when a part has no room. Answers that part, or null. */
  take(bytes: number): Spent | null;
  /** Returns bytes that were taken. */
  giveBack(bytes: number): void;
};

export type Budget = {
  join(group: string): BudgetMember;
  used(): number;
  total: number;
};

/**
 * Counts bytes that are in use, for each member, each group of members, and all. A group's part is smaller than the
 * total, so that no group takes everything from the others.
 */
export function createBudget({ total, perGroup, perMember }: BudgetLimits): Budget {
  const all = new Meter(total);
  const groups = new Map<string, Meter>();

  return {
    join(name) {
      const own = new Meter(perMember);
      return {
        take(bytes) {
          const group = groups.get(name) ?? new Meter(perGroup);
          if (!own.hasRoomFor(bytes)) return "member";
          if (!group.hasRoomFor(bytes)) return "group";
          if (!all.hasRoomFor(bytes)) return "total";
          groups.set(name, group);
          own.add(bytes);
          group.add(bytes);
          all.add(bytes);
          return null;
        },
        giveBack(bytes) {
          own.remove(bytes);
          all.remove(bytes);
          const group = groups.get(name);
          group?.remove(bytes);
          if (group?.used() === 0) groups.delete(name);
        },
      };
    },
    used: () => all.used(),
    total,
  };
}
