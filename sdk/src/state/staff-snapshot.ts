import type { Staff, Visitor } from "../wire.ts";
import { chatOf, type WireChat } from "./convert.ts";
import { patch, share } from "./share.ts";
import { byAge, type StaffHeld, withoutWaiting } from "./staff-core.ts";
import type { Edit } from "./staff-edit.ts";

export interface StaffInit {
  server_time?: number;
  user?: Staff;
  online_users: Staff[];
  /** Older servers. */
  online_visitors?: Visitor[];
  unclaimed_chats: WireChat[];
  unclaimed_total: number;
  active_chats: WireChat[];
  monitored_chats?: WireChat[];
  flagged_chats: WireChat[];
}

/** Milliseconds: smaller changes of the clock's offset are the network's. */
const CLOCK_TOLERANCE = 500;

/** The whole screen as the snapshot has it. */
export function renewStaff<C>(edit: Edit<C>, init: StaffInit & { at: number }): void {
  const { next, view, meet, renewed } = edit;
  const me = init.user ?? init.online_users.find(({ id }) => id === next.user) ?? view.me;
  view.me = share(view.me, me);
  next.user = me?.id ?? next.user;
  view.isMonitor = me !== null && me.role_id < 3;
  meet(me, ...init.online_users);
  if (init.server_time !== undefined) setClock(edit, init.server_time - init.at);
  view.staffOnline = share(view.staffOnline, init.online_users);

  const onlineIds = init.online_visitors && new Set(init.online_visitors.map(({ id }) => id));
  const open = (chats: WireChat[], of: (chat: WireChat) => Staff | null, status: "unclaimed" | "claimed") =>
    chats.map((chat) => {
      const staff = of(chat);
      meet(staff);
      return renewed({ ...chat, ...(onlineIds && { visitor_online: onlineIds.has(chat.user.id) }) }, staff, status);
    });
  const mine = open(init.active_chats, () => me, "claimed").map(withoutWaiting);
  const queue = open(init.unclaimed_chats, () => null, "unclaimed");
  const served = ({ staff }: WireChat) => staff as Staff;
  const watched =
    view.isMonitor && init.monitored_chats ? open(init.monitored_chats, served, "claimed").map(withoutWaiting) : [];
  const queued = next.queue;
  const settle = (before: readonly StaffHeld<C>[] | null, now: StaffHeld<C>[]) => same(before ?? [], now.sort(byAge));
  const isOpen = new Set([...mine, ...queue, ...watched].map((held) => held.view.id));
  if (next.isReady) {
    for (const held of queue) if (!edit.find(held.view.id)) edit.say("queued", edit.asQueued(held));
    for (const { view: chat } of next.mine) if (!isOpen.has(chat.id)) edit.say("closed", { chat: chat.id, by: null });
  }
  next.mine = settle(next.mine, mine);
  next.queue = settle(next.queue, queue);
  next.watched = view.isMonitor ? settle(next.watched, watched) : null;
  next.isListing = view.isMonitor && !init.monitored_chats;
  view.queueTotal = init.unclaimed_total;
  next.lost = [];
  const isQueued = new Set(queue.map((held) => held.view.id));
  if (next.isReady)
    for (const { view: chat } of queued)
      if (!isQueued.has(chat.id) && (isOpen.has(chat.id) || queue.length === view.queueTotal))
        edit.say("unqueued", { chat: chat.id, why: isOpen.has(chat.id) ? "claimed" : "left", by: null });
  next.past = Object.fromEntries(Object.entries(next.past).filter(([id]) => !isOpen.has(id)));
  view.flagged = share(
    view.flagged,
    init.flagged_chats
      .map(({ room, user }) => edit.find(room.id)?.view ?? chatOf(room, user, null, "claimed"))
      .map(bare),
  );
  next.isReady = true;
}

const bare = ({ id, visitor, staff, status, severity, tags, createdAt }: ReturnType<typeof chatOf>) => ({
  ...{ id, visitor, staff, status, severity, tags, createdAt },
});
/** The former list when it has the very same chats. */
const same = <T>(before: readonly T[], now: T[]): readonly T[] =>
  before.length === now.length && now.every((one, n) => one === before[n]) ? before : now;

/** Waiting times are shown in this machine's clock. */
export function setClock<C>({ next, view }: Edit<C>, offset: number): void {
  if (Math.abs(offset - view.clockOffset) < CLOCK_TOLERANCE) return;
  view.clockOffset = offset;
  next.queue = next.queue.map((held) => ({
    ...held,
    view: patch(held.view, { waitingSince: held.view.createdAt - offset }),
  }));
}
