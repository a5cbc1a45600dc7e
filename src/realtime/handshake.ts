import type { IncomingMessage } from "node:http";
import type { FastifyBaseLogger } from "fastify";
import type { Server, Socket } from "socket.io";
import type { Config } from "../config/config.ts";
import { RETRY_AFTER_S, Refusal } from "../contract/errors.ts";
import type { SignedIn, Tokens } from "../identity/tokens.ts";
import { connectionKey, forgetRequest } from "../platform/engine/connections.ts";
import { admitSockets } from "../platform/engine/entries.ts";
import { admitHandshakes } from "../platform/engine/handshakes.ts";
import { sessionOf } from "../platform/engine/session-ids.ts";
import type { OriginCheck } from "../platform/net/origin-check.ts";
import { toRefusal } from "../store/refusals.ts";
import { createPlaces } from "./places.ts";

export type Admission = {
  /** True when all clients are to go to another process. */
  isClosed(): boolean;
  /** Takes one new connection from what the process may take now; false when there is none left. */
  mayEnter(): boolean;
};

type Options = {
  config: Pick<Config, "allowAuthPayload" | "maxConnectionsPerUser">;
  tokens: Tokens;
  mayAsk: OriginCheck;
  admission: Admission;
  log: FastifyBaseLogger;
  /** Called with each refusal. */
  onRefused: (refusal: Refusal) => void;
};

/** The part of a handshake that the connection's first socket needs. */
type Shaken = { request: string; account: SignedIn | null };

/**
 * Lets clients in that have a valid token. The others get the HTTP status 401; 403 when a foreign web site asks; 503 when
 * too many come, the process is about to stop, or the database is away. socket.io-client has it as `error.description`: by
 * polling the status; by websocket in Node an event whose message ends with the status; in browsers nothing. A token in
 * `auth` is checked when the connection is open: the CONNECT error's `data` then has the refusal's `code` beside its
 * sentence.
 */
export function authenticateHandshakes(io: Server, options: Options): void {
  const { config, tokens, mayAsk, admission, log, onRefused } = options;
  const takePlaceOf = createPlaces(config.maxConnectionsPerUser);
  const shaken = new WeakMap<IncomingMessage, Shaken>();
  /** The account of each connection. Null when each CONNECT needs a token: a handshake's place is its first socket's. */
  const entered = new WeakMap<object, SignedIn | null>();

  const refusalOf = (error: unknown, whose: object) => {
    const about = () => ({ ...whose, event: "connect" });
    const refusal = toRefusal(error, log, about);
    onRefused(refusal);
    log.debug({ ...about(), result: refusal.code }, "connection refused");
    return refusal;
  };
  const takePlace = () => {
    if (!admission.mayEnter()) throw new Refusal("busy");
  };

  admitHandshakes(io, async (request, id) => {
    try {
      if (admission.isClosed()) throw new Refusal("draining");
      const { authorization } = request.headers;
      // The order matters: the token's signature first, then a place, then a query of the database.
      const goOn = () => {
        if (!mayAsk(request)) throw new Refusal("foreignOrigin");
        takePlace();
      };
      let account: SignedIn | null = null;
      if (config.allowAuthPayload && authorization === undefined) goOn();
      else account = await tokens.authenticate(authorization, goOn);
      shaken.set(request, { request: id, account });
      return null;
    } catch (error) {
      const refusal = refusalOf(error, { request: id });
      const headers = { ...(refusal.status === 503 && { "Retry-After": RETRY_AFTER_S }) };
      return { status: refusal.status, body: bodyOf(refusal), headers };
    }
  });

  const authenticatePayload = (token: unknown) => {
    if (typeof token !== "string" || token === "") throw new Refusal("missingAuthToken");
    return tokens.authenticate(token);
  };
  const enter = async (socket: Socket, handshake: Shaken | undefined) => {
    const connection = connectionKey(socket);
    if (entered.has(connection)) takePlace();
    else entered.set(connection, handshake?.account ?? null);
    const { token } = socket.handshake.auth as { token?: unknown };
    forgetRequest(socket);
    const account = entered.get(connection) ?? (await authenticatePayload(token));
    // The token that the connection was made with may have expired since.
    if (account.expiresAt <= Date.now()) throw new Refusal("invalidToken");
    if (!takePlaceOf(socket, account.user.id)) throw new Refusal("tooManyConnections");
    return account;
  };
  admitSockets(io, async (socket) => {
    const handshake = shaken.get(socket.request);
    const request = handshake?.request;
    try {
      socket.data = { account: await enter(socket, handshake), requestId: request };
      return null;
    } catch (error) {
      const about = { connection: socket.id, session: sessionOf(socket), ...(request && { request }) };
      const refusal = refusalOf(error, about);
      return Object.assign(new Error(refusal.message), { data: { ...bodyOf(refusal), code: refusal.code } });
    }
  });
}

export const accountOf = (socket: Socket) => socket.data.account as SignedIn;

const bodyOf = (refusal: Refusal) => ({ result: false, error_message: refusal.message });
