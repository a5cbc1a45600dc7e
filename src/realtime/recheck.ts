import type { Server, Socket } from "socket.io";
import type { Account, Accounts } from "../identity/accounts.ts";
import { isEnded } from "../identity/tokens.ts";
import { doEach } from "../platform/do-each.ts";
import { reconnectClient } from "../platform/engine/reconnect.ts";
import { readEach } from "../platform/postgres/each.ts";
import { accountOf } from "./handshake.ts";

/**
 * Creates a function that closes connections of this process whose users are now disabled or have another role. It does
 * the same when their tokens were ended. So it repairs changes that the bus didn't bring here. Only users of `kinds` are
 * checked.
 */
export function createRecheck(io: Server, onFault: (error: unknown) => void) {
  return async (accounts: Pick<Accounts, "byIds">, kinds: readonly Account["kind"][]): Promise<void> => {
    const sockets = [...io.sockets.sockets.values()].filter((socket) => kinds.includes(accountOf(socket).kind));
    const idsOf = (kind: Account["kind"]) => [
      ...new Set(sockets.map(accountOf).flatMap((account) => (account.kind === kind ? [account.user.id] : []))),
    ];
    const read = async (kind: Account["kind"]) => {
      const ids = idsOf(kind);
      return ids.length > 0 ? readEach((some) => accounts.byIds(kind, some), ids) : null;
    };
    const answers = await Promise.all(kinds.map(read));
    const unreadable = new Map(answers.flatMap((one) => [...(one?.unreadable ?? [])]));
    for (const error of unreadable.values()) onFault(error);
    const current = new Map(answers.flatMap((one) => one?.found ?? []).map((account) => [account.user.id, account]));
    const check = (socket: Socket) => {
      const account = accountOf(socket);
      const { id } = account.user;
      // A user with an unreadable row may not be disabled, so their connections stay.
      if (unreadable.has(id)) return;
      const now = current.get(id);
      if (!now || now.user.disabled) socket.disconnect(true);
      else if (isEnded(account, now) || roleOf(account) !== roleOf(now)) reconnectClient(socket);
    };
    doEach(sockets, check, onFault);
  };
}

const roleOf = ({ kind, user }: Account) => (kind === "staff" ? user.role_id : null);
