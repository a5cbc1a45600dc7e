import type { Room, Staff } from "../contract/models.ts";

/** Visitors see the whole profile of staff, or its public part. */
export type VisitorsSeeStaff = "profile" | "public";

declare const shown: unique symbol;
/** Something that a visitor may see. Only the view below makes it, and a visitor's room accepts nothing else. */
export type Shown<T> = T & { readonly [shown]: true };

/**
 * Turns a payload, a snapshot or a list's item into what a visitor may see of it: its room without flag and tags, its staff
 * as the service is set up. Answers the very same object where there is nothing to hide. A message's content is not touched,
 * whatever is in it.
 */
export type ShowToVisitor = <T extends object>(whole: T) => Shown<T>;

/** Where an event has people and rooms. */
const PARTS = ["user", "staff", "visitor", "room"];

export function createVisitorsView(sees: VisitorsSeeStaff): ShowToVisitor {
  // The same object has the same view: its JSON is made once.
  const views = new WeakMap<object, object>();

  function viewOf(part: object): object {
    const known = views.get(part);
    if (known) return known;
    let view = part;
    if (isFlagged(part)) view = { ...part, tags: [], severity_level: 0 };
    else if (isStaff(part) && sees === "public") {
      view = { ...part, full_name: part.display_name ?? part.full_name, email: null };
    }
    if (view !== part) views.set(part, view);
    return view;
  }

  return <T extends object>(whole: T) => {
    let view = whole as Record<string, unknown>;
    for (const name of PARTS) {
      const part = view[name];
      if (typeof part !== "object" || part === null) continue;
      const seen = viewOf(part);
      if (seen !== part) view = { ...view, [name]: seen };
    }
    return view as Shown<T>;
  };
}

const isStaff = (part: object): part is Staff => "role_id" in part;
const isFlagged = (part: object): part is Room =>
  "severity_level" in part && (part.severity_level !== 0 || (part as Room).tags.length > 0);
