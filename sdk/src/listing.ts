import type { Link } from "./link.ts";
import { pages, pathOf } from "./pages.ts";
import type { StaffCore } from "./state/staff-core.ts";
import { WINDOW } from "./state/staff-edit.ts";
import type { InputStore } from "./store.ts";
import type { StaffState } from "./types.ts";

/** The least time between two attempts. */
const PAUSE_MS = 2000;

/** Lists the chats that snapshots have no place for: the next queued ones, and on older servers the other staff's. */
export function keepListing<C, M>(store: InputStore<StaffState<C>, StaffCore<C>, M>, link: Link, now: () => number) {
  const busy = new Map<string, number>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function list(status: "unclaimed" | "claimed", after?: string): Promise<void> {
    const until = busy.get(status) ?? 0;
    if (now() < until) {
      // After a list that is on its way, `look` comes by itself.
      if (until < Number.POSITIVE_INFINITY) timer ??= setTimeout(look, until - now());
      return;
    }
    busy.set(status, Number.POSITIVE_INFINITY);
    try {
      let room = WINDOW;
      const chats: unknown[] = [];
      const path = pathOf("/chats", { status, order: "oldest", after_id: after, limit: 100 });
      let isLast = true;
      for await (const page of pages<unknown>(link, path)) {
        chats.push(...page);
        room -= page.length;
        isLast = page.length < 100;
        if (room <= 0) break;
      }
      // The total is known only when the screen has a place for all of them.
      isLast &&= store.core().queue.length + chats.length <= WINDOW;
      store.apply({ kind: "listed", status, chats, isLast: isLast || status === "claimed" });
    } catch {
      // It is tried again after the pause.
    }
    busy.set(status, now() + PAUSE_MS);
    look();
  }

  function look(): void {
    clearTimeout(timer);
    timer = undefined;
    const { view, queue, isListing } = store.core();
    if (view.connection.state !== "online") return;
    if (isListing) list("claimed");
    if (queue.length < Math.min(view.queueTotal, WINDOW)) list("unclaimed", queue.at(-1)?.view.id);
  }
  store.watch(look);
}
