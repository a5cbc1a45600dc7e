import type { IncomingMessage } from "node:http";
import type { FastifyBaseLogger } from "fastify";
import type { Server, Socket } from "socket.io";
import type { Config } from "../config/config.ts";
import { RETRY_AFTER_S, Refusal, retryOf } from "../contract/errors.ts";
import type { SignedIn, Tokens } from "../identity/tokens.ts";
import { connectionKey, forgetRequest } from "../platform/engine/connections.ts";
import { admitSockets } from "../platform/engine/entries.ts";
import { admitHandshakes, queryOf } from "../platform/engine/handshakes.ts";
import { sessionOf } from "../platform/engine/session-ids.ts";
import { boundUnproven, type Unproven } from "../platform/engine/unproven.ts";
import type { Clients } from "../platform/net/client-address.ts";
import type { OriginCheck } from "../platform/net/origin-check.ts";
import { createRates } from "../platform/rate-limit.ts";
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
  config: Pick<Config, "allowAuthPayload" | "maxConnectionsPerUser" | "connectRate">;
  tokens: Tokens;
  mayAsk: OriginCheck;
  clients: Pick<Clients, "addressOf">;
  admission: Admission;
  log: FastifyBaseLogger;
  /** Called with each refusal. */
  onRefused: (refusal: Refusal) => void;
  /** Called when a session without a token was cut off because another one needed its place. */
  onCrowdedOut: () => void;
};

/** The part of a handshake that the connection's first socket needs. */
type Shaken = {
  request: string;
  /** Null when each CONNECT needs a token. */
  account: SignedIn | null;
  unproven: Unproven | null;
};

const noSlot = () => {};

/**
 * Accepts clients with a valid token. Others get the HTTP status 401; 403 for a foreign web site; 503 when too many
 * connect, the process is about to stop, or the database is away. socket.io-client shows it in `error.description`. By
 * polling it is the status. By websocket in Node it is an event whose message ends with the status; in browsers it is
 * missing. A token in `auth` is checked after the connection is open. Then the CONNECT error's `data` has the refusal's
 * `code` next to its sentence.
 *
 * A session with `protocol=2` may begin without a token. It takes a slot of the process's rate only when its token's
 * signature is verified. So clients without a token take nothing from others. Its source may begin as many sessions in a second as the
 * process may accept connections; ../platform/engine/unproven.ts bounds how many wait.
 * @returns `unproven` answers how many sessions wait for their token
 */
export function authenticateHandshakes(io: Server, options: Options): { unproven: () => number } {
  const { config, tokens, mayAsk, clients, admission, log, onRefused, onCrowdedOut } = options;
  const takePlaceOf = createPlaces(config.maxConnectionsPerUser);
  const mayBegin = createRates(config.connectRate);
  const shaken = new WeakMap<IncomingMessage, Shaken>();
  /** The connections that have sent a CONNECT, with their handshakes. */
  const entered = new WeakMap<object, Shaken | undefined>();
  const room = boundUnproven(io, (request) => shaken.get(request)?.unproven ?? null, onCrowdedOut);

  const refusalOf = (error: unknown, whose: object) => {
    const about = () => ({ ...whose, event: "connect" });
    const refusal = toRefusal(error, log, about);
    onRefused(refusal);
    log.debug({ ...about(), result: refusal.code }, "connection refused");
    return refusal;
  };
  const takeSlot = () => {
    if (!admission.mayEnter()) throw new Refusal("busy");
  };
  const checkOrigin = (request: IncomingMessage) => {
    if (!mayAsk(request)) throw new Refusal("foreignOrigin");
  };

  /** Begins a session whose CONNECTs bring the token. */
  const begin = (request: IncomingMessage): Unproven => {
    const isStrict = bringsTokenLater(request);
    const source = clients.addressOf(request);
    checkOrigin(request);
    if (!isStrict) takeSlot();
    else if (!mayBegin(source)) throw new Refusal("busy");
    return { source, isStrict };
  };
  admitHandshakes(io, async (request, id) => {
    try {
      if (admission.isClosed()) throw new Refusal("draining");
      const { authorization } = request.headers;
      if (authorization === undefined && (config.allowAuthPayload || bringsTokenLater(request))) {
        shaken.set(request, { request: id, account: null, unproven: begin(request) });
        return null;
      }
      // Order matters: verify the token's signature, take a rate-limit slot, then query the database.
      const account = await tokens.authenticate(authorization, () => {
        checkOrigin(request);
        takeSlot();
      });
      shaken.set(request, { request: id, account, unproven: null });
      return null;
    } catch (error) {
      const refusal = refusalOf(error, { request: id });
      const headers = { ...(refusal.status === 503 && { "Retry-After": RETRY_AFTER_S }) };
      return { status: refusal.status, body: bodyOf(refusal), headers };
    }
  });

  const authenticatePayload = (token: unknown, onValid: () => void) => {
    if (typeof token !== "string" || token === "") throw new Refusal("missingAuthToken");
    return tokens.authenticate(token, onValid);
  };
  const enter = async (socket: Socket, handshake: Shaken | undefined) => {
    const connection = connectionKey(socket);
    const isFirst = !entered.has(connection);
    if (isFirst) entered.set(connection, handshake);
    const { account: known, unproven } = entered.get(connection) ?? {};
    // The first CONNECT has the slot that its handshake took.
    const take = isFirst && !unproven?.isStrict ? noSlot : takeSlot;
    if (known) take();
    const { token } = socket.handshake.auth as { token?: unknown };
    forgetRequest(socket);
    const account = known ?? (await authenticatePayload(token, take));
    // The connection's token may have expired since.
    if (account.expiresAt <= Date.now()) throw new Refusal("invalidToken");
    if (!takePlaceOf(socket, account.user.id)) throw new Refusal("tooManyConnections");
    room.admit(socket);
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
  return { unproven: room.size };
}

/** Only from the third revision of Engine.IO's protocol on, named 4, can a CONNECT bring anything. */
function bringsTokenLater(request: IncomingMessage): boolean {
  const { EIO, protocol } = queryOf(request);
  return EIO === "4" && protocol === "2";
}

export const accountOf = (socket: Socket) => socket.data.account as SignedIn;

const bodyOf = (refusal: Refusal) => ({ result: false, error_message: refusal.message });
