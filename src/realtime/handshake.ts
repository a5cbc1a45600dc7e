import type { IncomingMessage } from "node:http";
import type { FastifyBaseLogger } from "fastify";
import type { Server, Socket } from "socket.io";
import type { Config } from "../config/config.ts";
import { RETRY_AFTER_S, Refusal, retryOf } from "../contract/errors.ts";
import type { SignedIn, Tokens } from "../identity/tokens.ts";
import { connectionKey, forgetRequest } from "../platform/engine/connections.ts";
import { admitSockets } from "../platform/engine/entries.ts";
import { admitHandshakes } from "../platform/engine/handshakes.ts";
import { sessionOf } from "../platform/engine/session-ids.ts";
import type { OriginCheck } from "../platform/net/origin-check.ts";
import { toRefusal } from "../store/refusals.ts";
import { createPlaces } from "./places.ts";
import { protocolAskedBy } from "./protocol.ts";

export type Admission = {
  /** Whether all clients must go to another process. */
  isClosed(): boolean;
  /** Takes one new connection from the process's rate. Answers false when none is left. */
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
 * Accepts clients with a valid token. Others get the HTTP status 401; 403 for a foreign web site; 503 when too many
 * connect, the process is about to stop, or the database is away. socket.io-client shows it in `error.description`. By
 * polling it is the status. By websocket in Node it is an event whose message ends with the status; in browsers it is
 * missing. A token in `auth` is checked after the connection is open. Then the CONNECT error's `data` has the refusal's
 * `code` next to its sentence.
 */
export function authenticateHandshakes(io: Server, options: Options): void {
  const { config, tokens, mayAsk, admission, log, onRefused } = options;
  const takePlaceOf = createPlaces(config.maxConnectionsPerUser);
  const shaken = new WeakMap<IncomingMessage, Shaken>();
  /**
   * The account of each connection. Null when each CONNECT needs a token: then the first socket uses the handshake's
   * place.
   */
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
      // Order matters: verify the token's signature, take a rate-limit slot, then query the database.
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
    // The connection's token may have expired since.
    if (account.expiresAt <= Date.now()) throw new Refusal("invalidToken");
    if (!takePlaceOf(socket, account.user.id)) throw new Refusal("tooManyConnections");
    return account;
  };
  admitSockets(io, async (socket) => {
    const handshake = shaken.get(socket.request);
    const request = handshake?.request;
    const protocol = protocolAskedBy(socket);
    try {
      socket.data = { account: await enter(socket, handshake), requestId: request, protocol };
      return null;
    } catch (error) {
      const about = { connection: socket.id, session: sessionOf(socket), ...(request && { request }) };
      const refusal = refusalOf(error, about);
      const retry = protocol === 2 ? retryOf(refusal.code) : {};
      return Object.assign(new Error(refusal.message), { data: { ...bodyOf(refusal), code: refusal.code, ...retry } });
    }
  });
}

export const accountOf = (socket: Socket) => socket.data.account as SignedIn;

const bodyOf = (refusal: Refusal) => ({ result: false, error_message: refusal.message });
