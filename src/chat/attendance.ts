import type { People } from "../identity/accounts.ts";
import type { UserRef } from "../identity/user-ref.ts";
import { readEach } from "../platform/postgres/each.ts";
import { keyOf, type Presence } from "../presence/presence.ts";
import { leaveAllChats, openChatsOf } from "./lifecycle.ts";
import type { Caller, ChatPorts } from "./ports.ts";
import { allStaffRoom, staffRoom } from "./rooms.ts";

export type Attendance = {
  /** A connection is there. */
  arrive(caller: Caller, connectionId: string): Promise<void>;
  /** A connection is gone; with a grace of 0 its user leaves at once, unless he has another one. */
  lose(user: UserRef, connectionId: string, graceMs: number): Promise<void>;
  /** A user leaves at once, whatever connections he has. */
  dismiss(user: UserRef): Promise<void>;
  /**
   * Gives everybody who takes part in an open chat, and isn't known to be there, a grace: after all processes were gone,
   * or Redis has lost its data, a chat must not stay open for somebody who never returns.
   */
  reconcile(): Promise<void>;
  /** Tells presence what it lacks of this process's connections, and renews its lease. */
  touch(): Promise<void>;
  /** Lets leave whose time has run out. */
  sweep(): Promise<void>;
};

export const refOf = ({ kind, user, organisationId }: Caller): UserRef => ({ kind, id: user.id, organisationId });

/** Turns who is online into who is told of it, and being gone into leaving one's chats. */
export function createAttendance(
  presence: Presence,
  people: People,
  ports: ChatPorts,
  { reconnectGraceMs, onFault }: { reconnectGraceMs: number; onFault: (error: unknown) => void },
): Attendance {
  async function callerOf({ kind, id, organisationId }: UserRef): Promise<Caller | undefined> {
    if (kind === "staff") {
      const [user] = await people.staff([id]);
      return user && { kind, user, organisationId, connectionId: null };
    }
    const [user] = await people.visitors([id]);
    return user && { kind, user, organisationId, connectionId: null };
  }

  function tell(event: "staff_goes_online" | "staff_goes_offline", caller: Caller): void {
    if (caller.kind !== "staff") return;
    const { user, organisationId } = caller;
    const announcement = {
      event,
      payload: { user },
      rooms: [allStaffRoom(organisationId)],
      except: [staffRoom(user.id)],
    };
    ports.emit(organisationId, announcement, null);
  }

  async function tellOnline(users: UserRef[]): Promise<void> {
    const ids = users.filter(({ kind }) => kind === "staff").map(({ id }) => id);
    if (ids.length === 0) return;
    const { found, unreadable } = await readEach(people.staff, ids);
    for (const error of unreadable.values()) onFault(error);
    for (const user of found) {
      tell("staff_goes_online", { kind: "staff", user, organisationId: user.organisation_id, connectionId: null });
    }
  }

  /** Reads the chats that a user has to leave. The returned function leaves those, and none that the user opens later. */
  async function prepare(user: UserRef): Promise<() => Promise<void>> {
    const caller = await callerOf(user);
    if (!caller) return async () => {};
    const chatIds = await openChatsOf(ports, caller);
    return async () => {
      await leaveAllChats(ports, caller, chatIds);
      tell("staff_goes_offline", caller);
    };
  }

  async function sweep(user?: UserRef): Promise<void> {
    const { back, failures } = await presence.sweep(prepare, user);
    // Whoever came back while he was leaving may have been told online before he was told offline: say it again.
    if (back.length > 0) await tellOnline(back);
    if (failures.length > 0) throw new AggregateError(failures, "Not everybody who is gone could be served");
  }

  return {
    async arrive(caller, connectionId) {
      if (await presence.join(refOf(caller), connectionId)) tell("staff_goes_online", caller);
    },
    async lose(user, connectionId, graceMs) {
      await presence.leave(user, connectionId, graceMs);
      if (graceMs === 0) await sweep(user);
    },
    async dismiss(user) {
      await presence.leave(user, "all", 0);
      await sweep(user);
    },
    async reconcile() {
      // Presence before participants: who has left between the two takes part in nothing any more.
      const organisations = new Set((await ports.chats.participants()).map(({ organisationId }) => organisationId));
      const known = new Set<string>();
      for (const organisationId of organisations) {
        for (const user of (await presence.online(organisationId)).users) known.add(keyOf(user));
      }
      const unknown = (await ports.chats.participants()).filter((user) => !known.has(keyOf(user)));
      await presence.expect(unknown, reconnectGraceMs);
    },
    async touch() {
      const cameOnline = await presence.touch();
      // The lease must not end because the database, which knows their names, takes its time.
      void tellOnline(cameOnline).catch(onFault);
    },
    sweep: () => sweep(),
  };
}
