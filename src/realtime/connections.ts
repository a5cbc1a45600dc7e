import type { FastifyBaseLogger } from "fastify";
import type { Server } from "socket.io";
import type { Attendance } from "../chat/attendance.ts";
import type { ChatPorts } from "../chat/ports.ts";
import type { Config } from "../config/config.ts";
import type { Delivery } from "../delivery/delivery.ts";
import type { Accounts } from "../identity/accounts.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { inRounds } from "../platform/batches/rounds.ts";
import { doEach } from "../platform/do-each.ts";
import { READING_INTERVAL_MS } from "../platform/engine/reading.ts";
import type { Fault } from "../platform/log/faults.ts";
import type { Part } from "../platform/part.ts";
import type { Bus } from "../platform/redis/bus.ts";
import type { createAdmission } from "./admission.ts";
import { type Connection, serveConnection } from "./connection.ts";
import { createDrain } from "./drain.ts";
import { createRefresh } from "./refresh.ts";
import type { ReadSnapshot } from "./snapshots.ts";
import { createWaitingBudget } from "./waiting.ts";

/** The most connections that are opened at once: a crowd must not keep the database from open connections. */
const OPENED_AT_ONCE = 500;

type Options = {
  config: Config;
  bus: Bus | undefined;
  admission: ReturnType<typeof createAdmission>;
  ports: ChatPorts;
  accounts: Accounts;
  attendance: Attendance;
  delivery: Delivery;
  readSnapshot: ReadSnapshot;
  metrics: Metrics;
  log: FastifyBaseLogger;
  fault: (part: string) => Fault;
};

/** Serves all connections of the process, and drains them. */
export function createConnections(io: Server, options: Options): Part {
  const { config, bus, admission, attendance, delivery, metrics, log, fault } = options;
  const onFault = fault("connection");
  const connections = new Set<Connection>();
  const waiting = createWaitingBudget();
  metrics.budget("events", waiting);
  const context = {
    ...options,
    ...{ waiting, onFault },
    inRound: inRounds(OPENED_AT_ONCE),
    subscribed: () => bus?.subscribed() ?? Promise.resolve(),
    // A disconnected client must find another process, and must not be evicted meanwhile.
    maxAgeMs: bus && config.reconnectGraceMs > 0 ? config.maxConnectionAgeMs : 0,
  };
  io.on("connection", (socket) => {
    const connection = serveConnection(socket, context);
    connections.add(connection);
    void connection.ended.finally(() => connections.delete(connection));
  });

  const refreshAll = createRefresh(connections, onFault);
  bus?.onRestored(async () => {
    await attendance.touch().catch(fault("presence"));
    // Redis doesn't know users who came and left meanwhile: their chats shouldn't wait for the next comparison.
    void attendance.reconcile().catch(fault("presence"));
    await delivery.checkChats({ atOnce: true }).catch(fault("delivery"));
    await refreshAll();
  });
  // Without a bus there is no other process: all clients are disconnected at once.
  const drain = createDrain(connections, { overMs: bus ? config.drainMs : 0, metrics, log });

  return {
    timers: [
      {
        everyMs: READING_INTERVAL_MS,
        work: () => doEach(connections, (connection) => connection.inspect(), onFault),
        onError: onFault,
      },
    ],
    async drain() {
      admission.close();
      await drain();
    },
  };
}
