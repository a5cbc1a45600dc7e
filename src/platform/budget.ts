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
  let used = 0;
  const groups = new Map<string, number>();

  return {
    join(group) {
      let own = 0;
      return {
        take(bytes) {
          const inGroup = groups.get(group) ?? 0;
          // A member that uses nothing may take something larger than its part, which could never be taken otherwise.
          if (own > 0 && own + bytes > perMember) return "member";
          if (inGroup > 0 && inGroup + bytes > perGroup) return "group";
          if (used > 0 && used + bytes > total) return "total";
          own += bytes;
          used += bytes;
          groups.set(group, inGroup + bytes);
          return null;
        },
        giveBack(bytes) {
          own -= bytes;
          used -= bytes;
          const left = (groups.get(group) ?? 0) - bytes;
          if (left > 0) groups.set(group, left);
          else groups.delete(group);
        },
      };
    },
    used: () => used,
    total,
  };
}
