import type { FastifyBaseLogger } from "fastify";
import type { DisconnectReason, Socket } from "socket.io";
import { type Attendance, refOf } from "../chat/attendance.ts";
import { roomsOf } from "../chat/audience.ts";
import type { Caller, ChatPorts } from "../chat/ports.ts";
import type { Config } from "../config/config.ts";
import { Refusal, type RefusalCode } from "../contract/errors.ts";
import type { Delivery } from "../delivery/delivery.ts";
import type { Account, Accounts } from "../identity/accounts.ts";
import { isEnded } from "../identity/tokens.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Budget } from "../platform/budget.ts";
import { transportOf } from "../platform/engine/connections.ts";
import { createGate } from "../platform/engine/gate.ts";
import { hasLeft } from "../platform/engine/leaves.ts";
import { cutOffStalled, watchReadingOf } from "../platform/engine/reading.ts";
import { cutOffLater, reconnectClient } from "../platform/engine/reconnect.ts";
import { sessionOf } from "../platform/engine/session-ids.ts";
import type { Fault } from "../platform/log/faults.ts";
import { createRateLimit } from "../platform/rate-limit.ts";
import { within } from "../platform/time.ts";
import { drawMaxAge } from "./age.ts";
import { bindEvents } from "./bind.ts";
import { accountOf } from "./handshake.ts";
import { protocolOf } from "./protocol.ts";
import { createQueue } from "./queue.ts";
import type { ReadSnapshot } from "./snapshots.ts";

export type ConnectionContext = {
  config: Pick<Config, "reconnectGraceMs" | "rateLimit" | "maxContentBytes">;
  ports: ChatPorts;
  accounts: Pick<Accounts, "byId">;
  attendance: Attendance;
  delivery: Pick<Delivery, "follow">;
  readSnapshot: ReadSnapshot;
  /** The memory budget for unanswered events. */
  waiting: Budget;
  /** Shares one round of database queries among clients that connect at the same time. */
  inRound: (work: () => Promise<void>) => Promise<void>;
  /** Resolves when the connection receives its organisation's events from every process. */
  subscribed: () => Promise<void>;
  /** 0: no limit. */
  maxAgeMs: number;
  metrics: Metrics;
  log: FastifyBaseLogger;
  onFault: Fault;
};

/** Leaves by choice and disconnected users. Every other close is a lost connection, with a grace period. */
const byChoice = new Set<DisconnectReason>(["client namespace disconnect", "server namespace disconnect"]);

/** The reasons in the metrics. Reasons of later versions of Socket.IO get no label of their own. */
const reasonLabels: Partial<Record<DisconnectReason, string>> = {
  "transport error": "transport_error",
  "transport close": "transport_close",
  "ping timeout": "ping_timeout",
  "parse error": "parse_error",
  "forced close": "forced_close",
  "forced server close": "forced_server_close",
  "server shutting down": "server_shutting_down",
  "client namespace disconnect": "client_namespace_disconnect",
  "server namespace disconnect": "server_namespace_disconnect",
};

/** How long unanswered events may delay a disconnect for this reason. */
const answerMs = { token_expired: 1_000, max_age: 5_000 };

export type Connection = {
  /** Resolves when the connection is closed and all its work is done. */
  ended: Promise<void>;
  /** Sends the snapshot again, after the queued work. Answers whether it could. */
  refresh(): Promise<boolean>;
  /**
   * Disconnects the client after its events are answered, or after `ms`. The client reconnects by itself. A client that
   * doesn't close its side is cut off 2 s later.
   */
  sendAway(ms: number): Promise<void>;
  /**
   * Closes the connection if its token has expired, it is too old, or its client has stopped reading. Call it every
   * `READING_INTERVAL_MS`.
   */
  inspect(): void;
};

/** Serves one connection: its rooms, its presence, its snapshot, then its events, one after the other. */
export function serveConnection(socket: Socket, context: ConnectionContext): Connection {
  const { accounts, attendance, config, log, metrics, ports } = context;
  let caller = callerOf(accountOf(socket), socket.id);
  /** For the log. A function, because most connections never log anything. */
  const who = () => ({
    ...{ connection: socket.id, session: sessionOf(socket) },
    ...{ user: caller.user.id, organisation: caller.organisationId },
  });
  /** Why the connection can't be opened. Events that the client has already sent get the same refusal. */
  let turnedAway: RefusalCode | null = null;
  const currentCaller = () => {
    if (turnedAway) throw new Refusal(turnedAway);
    return caller;
  };
  const onFault = (error: unknown) => context.onFault(error, who());
  const queue = createQueue(onFault);

  // Order matters: add listeners before the first await, because events may arrive before it ends.
  bindEvents(socket, currentCaller, {
    ...{ ports, metrics, log, who, queue, maxContentBytes: config.maxContentBytes },
    mayAct: createRateLimit(config.rateLimit),
    waiting: context.waiting.join(caller.organisationId),
  });
  const gate = createGate(socket, () => {
    log.warn({ ...who(), event: "cut_off" }, "connection closed: its snapshot takes too long");
    reconnectClient(socket);
  });
  watchReadingOf(socket, () => {
    metrics.cutOffs.inc({ reason: "slow_reader" });
    log.warn({ ...who(), event: "cut_off" }, "connection cut off: it doesn't read what it is sent");
  });
  const oldAt = performance.now() + drawMaxAge(context.maxAgeMs);
  let isOver = false;
  const end = (reason: keyof typeof answerMs) => {
    isOver = true;
    log.debug({ ...who(), event: "sent_away", reason }, "connection closed");
    metrics.cutOffs.inc({ reason });
    sendAwayAnswered(answerMs[reason]).catch(onFault);
  };
  const transport = transportOf(socket);
  metrics.connects.inc({ kind: caller.kind, transport });
  const { requestId: request } = socket.data as { requestId?: string };
  log.debug({ ...who(), event: "connect", transport, ...(request && { request }) }, "connected");
  delete socket.data.requestId;
  const ended = new Promise<void>((resolve) => {
    socket.on("disconnect", (reason) => {
      metrics.disconnects.inc({ kind: caller.kind, reason: reasonLabels[reason] ?? "other" });
      log.debug({ ...who(), event: "disconnect", reason }, "disconnected");
      if (reason === "server namespace disconnect") {
        metrics.cutOffs.inc({ reason: "disabled" });
        cutOffLater(socket);
      }
      const isChoice = hasLeft(socket) || byChoice.has(reason);
      queue.enqueue(() => attendance.lose(refOf(caller), socket.id, { isChoice }));
      resolve(queue.idle());
    });
  });

  queue.enqueue(async () => {
    try {
      await context.inRound(open);
    } catch (error) {
      // The client reconnects.
      onFault(error);
      turnedAway = "unavailable";
      reconnectClient(socket);
    }
  });
  return {
    ended,
    async refresh() {
      let isDone = false;
      // Order matters: the shared round, then the own queue. So the client's events don't wait for other clients'
      // rounds.
      await context.inRound(async () => {
        queue.enqueue(async () => {
          await sendSnapshot();
          isDone = true;
        });
        await queue.idle();
      });
      return isDone;
    },
    sendAway: sendAwayAnswered,
    inspect() {
      if (!socket.connected || isOver) return;
      if (Date.now() >= accountOf(socket).expiresAt) end("token_expired");
      else if (performance.now() >= oldAt) end("max_age");
      else cutOffStalled(socket);
    },
  };

  async function sendAwayAnswered(ms: number): Promise<void> {
    const endsAt = performance.now() + ms;
    // More events may arrive while it waits.
    while (queue.length() > 0 && performance.now() < endsAt) await within(endsAt - performance.now(), queue.idle());
    reconnectClient(socket);
  }

  async function open(): Promise<void> {
    if (!socket.connected) return;
    // Order matters: join the rooms, then read. An event in between is read, delivered after the snapshot, or both.
    gate.shut();
    await socket.join(roomsOf(caller));
    await context.subscribed();
    await context.delivery.follow(caller);
    const account = accountOf(socket);
    const current = await accounts.byId(account.kind, account.user.id);
    const isWelcome = current !== null && !current.user.disabled;
    const hasNewRole =
      current?.kind === "staff" && account.kind === "staff" && current.user.role_id !== account.user.role_id;
    if (!isWelcome) {
      turnedAway = "unknownUser";
      gate.open();
      socket.disconnect(true);
      return;
    }
    // The client reconnects, and then gets a 401, or joins the rooms of its new role.
    if (isEnded(account, current)) turnedAway = "invalidToken";
    else if (hasNewRole) turnedAway = "unavailable";
    if (turnedAway) {
      reconnectClient(socket);
      return;
    }
    Object.assign(account, current);
    caller = callerOf(account, socket.id);
    await attendance.arrive(caller, socket.id);
    await sendSnapshot();
  }

  async function sendSnapshot(): Promise<void> {
    if (!socket.connected || turnedAway) return;
    gate.shut();
    try {
      const send = await context.readSnapshot(caller, protocolOf(socket));
      if (socket.connected) gate.open(() => send(socket));
    } finally {
      gate.open();
    }
  }
}

function callerOf(account: Account, connectionId: string): Caller {
  const { organisationId } = account;
  if (account.kind === "staff") return { kind: "staff", user: account.user, organisationId, connectionId };
  return { kind: "visitor", user: account.user, organisationId, connectionId };
}
