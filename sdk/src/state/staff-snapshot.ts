import type { Staff, Visitor } from "../wire.ts";
import { chatOf, profileOf, type WireChat } from "./convert.ts";
import { somebody, unknown } from "./known.ts";
import { patch, share } from "./share.ts";
import type { Place } from "./staff-core.ts";
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
  active_total?: number;
  monitored_chats?: WireChat[];
  monitored_total?: number;
  flagged_chats: WireChat[];
}

/** Milliseconds: smaller changes of the clock's offset are the network's. */
const CLOCK_TOLERANCE = 500;

/** The whole screen as the snapshot has it. */
export function renewStaff<C>(edit: Edit<C>, init: StaffInit & { at: number }): void {
  const { next, view, meet, say } = edit;
  const me = init.user ?? init.online_users.find(({ id }) => id === next.user) ?? view.me;
  view.me = share(view.me, me);
  next.user = me?.id ?? next.user;
  view.isMonitor = me !== null && me.role_id < 3;
  next.isListing = view.isMonitor && !init.monitored_chats;
  // A list has no messages: they may be missing between the screen and the messages to come.
  next.watched = view.isMonitor ? (next.isListing ? [] : (next.watched ?? [])) : null;
  meet(me, ...init.online_users);
  if (init.server_time !== undefined) setClock(edit, init.server_time - init.at);
  view.staffOnline = share(view.staffOnline, init.online_users);
  view.queueTotal = init.unclaimed_total;

  // Others may be missing between early messages and the snapshot.
  for (const [id, one] of Object.entries(next.known))
    if (one.rows.length > 0) edit.note(id, patch(one, { rows: unknown.rows }));
  const onlineIds = init.online_visitors && new Set(init.online_visitors.map(({ id }) => id));
  const listed = new Set<string>();
  /** The snapshot counts, whatever was known of a chat before. */
  const renew = (chats: WireChat[], staffOf: (chat: WireChat) => Staff | null, status: "unclaimed" | "claimed") => {
    for (const chat of chats) {
      const staff = staffOf(chat);
      meet(staff);
      const { room } = chat;
      listed.add(room.id);
      const isNew = !edit.find(room.id);
      const fields = { status, by: staff && profileOf(staff), isCounted: status === "unclaimed" };
      const flag = { severity: room.severity_level, changedAt: room.updated_at ?? 0 };
      edit.note(room.id, patch(edit.known(room.id), { ...fields, ...flag }));
      edit.renewed({ ...chat, isListed: true, ...(onlineIds && { visitor_online: onlineIds.has(chat.user.id) }) });
      const queued = edit.find(room.id);
      if (next.isReady && isNew && queued && status === "unclaimed") say("queued", edit.asQueued(queued));
    }
  };
  renew(init.unclaimed_chats, () => null, "unclaimed");
  renew(init.active_chats, () => me, "claimed");
  renew(init.monitored_chats ?? [], ({ staff }) => staff as Staff, "claimed");

  /** The chats of a list that aren't in the snapshot have left it. */
  const drop = (place: Place, isWhole: boolean, isKnown: boolean) => {
    for (const { view: chat } of next[place] ?? []) {
      if (listed.has(chat.id)) continue;
      const status = isKnown ? "closed" : "claimed";
      if (isWhole) edit.note(chat.id, patch(edit.known(chat.id), { status, by: somebody, isCounted: false }));
      edit.take(chat.id);
      if (place === "mine") say("closed", { chat: chat.id, by: null });
      else if (place === "queue" && isWhole) say("unqueued", { chat: chat.id, why: "left", by: null });
    }
  };
  drop("queue", init.unclaimed_chats.length >= view.queueTotal, false);
  drop("mine", init.active_chats.length >= (init.active_total ?? 0), !next.isListing);
  drop("watched", (init.monitored_chats?.length ?? 0) >= (init.monitored_total ?? 0), true);
  view.flagged = share(
    view.flagged,
    init.flagged_chats.map(({ room, user }) => {
      const { by, status } = edit.known(room.id);
      edit.note(room.id, patch(edit.known(room.id) ?? unknown, { severity: room.severity_level }));
      return chatOf(room, user, by, status);
    }),
  );
  next.isReady = true;
}

/** Waiting times are shown in this machine's clock. */
export function setClock<C>({ next, view }: Edit<C>, offset: number): void {
  if (Math.abs(offset - view.clockOffset) < CLOCK_TOLERANCE) return;
  view.clockOffset = offset;
  next.queue = next.queue.map((held) => ({
    ...held,
    view: patch(held.view, { waitingSince: held.view.createdAt - offset }),
  }));
}
