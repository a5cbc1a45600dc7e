import type { People } from "../identity/accounts.ts";
import type { UserRef } from "../identity/user-ref.ts";
import { batched } from "../platform/batches/batch.ts";
import { readEach } from "../platform/postgres/each.ts";
import { keyOf, type Presence } from "../presence/presence.ts";
import type { Cause } from "./entry.ts";
import { leaveAllChats, openChatsOf } from "./lifecycle.ts";
import type { Caller, Chat, ChatPorts, VisitorCaller } from "./ports.ts";
import { type StaffSignal, staffSignal, type VisitorSignal, visitorSignal } from "./signals.ts";

export type Attendance = {
  /** A connection has opened. */
  arrive(caller: Caller, connectionId: string): Promise<void>;
  /** A connection has closed. Closed by choice, its user leaves at once, unless they have another connection. */
  lose(user: UserRef, connectionId: string, how: { isChoice: boolean }): Promise<void>;
  /** Makes a disabled user leave at once, whatever connections they have. */
  dismiss(user: UserRef): Promise<void>;
  /** Starts a grace period for a visitor who got a chat by being identified, unless presence knows them. */
  expect(visitor: UserRef): Promise<void>;
  /**
   * Starts a grace period for every member of an open chat that presence doesn't know. All processes may have been down,
   * or Redis may have lost its data. Without this, the chat of a user who never returns would stay open.
   */
  reconcile(): Promise<void>;
  /** Adds to presence the connections of this process that presence lacks, and renews the lease. */
  touch(): Promise<void>;
  /** Evicts the users whose grace period has ended. */
  sweep(): Promise<void>;
};

type Options = { reconnectGraceMs: number; onFault: (error: unknown) => void };

export const refOf = ({ kind, user, organisationId }: Caller): UserRef => ({ kind, id: user.id, organisationId });

/** A client that was given new tokens connects anew. It needs this time even if lost connections have none. */
const CONNECT_WITHIN_MS = 10_000;

/** So many visitors' open chats are read by one statement. */
const MAX_READ = 1_000;

/** Publishes online and offline events, and closes the chats of users who have left. */
export function createAttendance(
  presence: Presence,
  people: People,
  ports: ChatPorts,
  { reconnectGraceMs, onFault }: Options,
): Attendance {
  /** A visitor's open chat, null without one. Visitors who arrive together share a statement. */
  const openChat = batched(
    async (visitorIds: string[]) => {
      const chats = new Map((await ports.chats.openChatsOf(visitorIds)).map((chat) => [chat.visitor.id, chat]));
      return visitorIds.map((id): Chat | null => chats.get(id) ?? null);
    },
    { maxSize: MAX_READ },
  );

  async function callerOf({ kind, id, organisationId }: UserRef): Promise<Caller | undefined> {
    if (kind === "staff") {
      const [user] = await people.staff([id]);
      return user && { kind, user, organisationId, connectionId: null };
    }
    const [user] = await people.visitors([id]);
    return user && { kind, user, organisationId, connectionId: null };
  }

  function signalStaff(event: StaffSignal, caller: Caller): void {
    if (caller.kind === "staff") ports.signal(caller.organisationId, staffSignal(event, caller.user), caller.user.id);
  }
  const signalVisitor = (event: VisitorSignal, chat: Chat | null): void => {
    if (chat) ports.signal(chat.organisationId, visitorSignal(event, chat));
  };

  async function signalOnline(users: UserRef[]): Promise<void> {
    const ids = users.filter(({ kind }) => kind === "staff").map(({ id }) => id);
    if (ids.length === 0) return;
    const { found, unreadable } = await readEach(people.staff, ids);
    for (const error of unreadable.values()) onFault(error);
    for (const staff of found) ports.signal(staff.organisation_id, staffSignal("staff_goes_online", staff), staff.id);
  }

  /** The signal is not worth a connection: a failure is only reported. */
  const signalVisitorOnline = ({ user }: VisitorCaller): void =>
    void openChat(user.id).then((chat) => signalVisitor("visitor_goes_online", chat), onFault);

  /** Reads the chats that a user has to leave. The returned function closes those, and none that the user opens later. */
  async function prepare(user: UserRef, cause: Cause): Promise<() => Promise<void>> {
    const caller = await callerOf(user);
    if (!caller) return async () => {};
    const chatIds = await openChatsOf(ports, caller);
    const chat = caller.kind === "visitor" && chatIds.length > 0 ? await openChat(caller.user.id) : null;
    return async () => {
      await leaveAllChats(ports, caller, { chatIds, cause });
      signalVisitor("visitor_goes_offline", chat);
      signalStaff("staff_goes_offline", caller);
    };
  }

  async function sweep(cause: Cause, user?: UserRef): Promise<void> {
    const { back, failures } = await presence.sweep((one) => prepare(one, cause), user);
    // A user who came back during the eviction may have got "online" before "offline": publish "online" again.
    if (back.length > 0) await signalOnline(back);
    if (failures.length > 0) throw new AggregateError(failures, "Not every user who has left could be evicted");
  }

  return {
    async arrive(caller, connectionId) {
      if (!(await presence.join(refOf(caller), connectionId))) return;
      if (caller.kind === "visitor") signalVisitorOnline(caller);
      else signalStaff("staff_goes_online", caller);
    },
    async lose(user, connectionId, { isChoice }) {
      const graceMs = isChoice ? 0 : reconnectGraceMs;
      await presence.leave(user, connectionId, graceMs);
      if (graceMs === 0) await sweep(isChoice ? "person" : "loss", user);
    },
    async dismiss(user) {
      await presence.leave(user, "all", 0);
      await sweep("disabled", user);
    },
    expect: (visitor) => presence.expect([visitor], Math.max(reconnectGraceMs, CONNECT_WITHIN_MS)),
    async reconcile() {
      // Presence before members: a user who leaves between the two reads is no member any more.
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
      // The lease must not end because the database, which has the users' names, is slow.
      void signalOnline(cameOnline).catch(onFault);
    },
    sweep: () => sweep("loss"),
  };
}
