import type { Server, Socket } from "socket.io";
import type { Staff, Visitor } from "../contract/models.ts";
import type { Account, People } from "../identity/accounts.ts";
import { doEach } from "../platform/do-each.ts";
import { reconnectClient } from "../platform/engine/reconnect.ts";
import { readEach } from "../platform/postgres/each.ts";
import { accountOf } from "./handshake.ts";

/**
 * Creates a function that closes connections of this process whose users are now disabled or have another role. It
 * repairs changes that the bus didn't bring here. Only users of `kinds` are checked.
 */
export function createRecheck(io: Server, onFault: (error: unknown) => void) {
  return async (people: People, kinds: readonly Account["kind"][]): Promise<void> => {
    const sockets = [...io.sockets.sockets.values()].filter((socket) => kinds.includes(accountOf(socket).kind));
    const idsOf = (kind: Account["kind"]) => [
      ...new Set(sockets.map(accountOf).flatMap((account) => (account.kind === kind ? [account.user.id] : []))),
    ];
    const [staff, visitors] = [idsOf("staff"), idsOf("visitor")];
    const both = await Promise.all([
      staff.length > 0 ? readEach<Staff | Visitor>(people.staff, staff) : null,
      visitors.length > 0 ? readEach<Staff | Visitor>(people.visitors, visitors) : null,
    ]);
    const unreadable = new Map(both.flatMap((one) => [...(one?.unreadable ?? [])]));
    for (const error of unreadable.values()) onFault(error);
    const current = new Map(both.flatMap((one) => one?.found ?? []).map((user) => [user.id, user]));
    const check = (socket: Socket) => {
      const { user } = accountOf(socket);
      // A user with an unreadable row may not be disabled, so their connections stay.
      if (unreadable.has(user.id)) return;
      const now = current.get(user.id);
      if (!now || now.disabled) socket.disconnect(true);
      else if ("role_id" in user && "role_id" in now && user.role_id !== now.role_id) reconnectClient(socket);
    };
    doEach(sockets, check, onFault);
  };
}
