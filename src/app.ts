import type { FastifyBaseLogger } from "fastify";
import { createAttendance } from "./chat/attendance.ts";
import { attendancePart } from "./chat/attendance-part.ts";
import type { ChatPorts } from "./chat/ports.ts";
import { createVisitorsView } from "./chat/visitors-view.ts";
import type { Config } from "./config/config.ts";
import { createDeliveryPart } from "./delivery/part.ts";
import { createListening } from "./http/listening.ts";
import { addRoutes } from "./http/routes.ts";
import { createServers } from "./http/servers.ts";
import { fillEmptyDatabase } from "./identity/first-organisation.ts";
import { createTokens, tokenOptions } from "./identity/tokens.ts";
import { createCensus } from "./metrics/census.ts";
import { createDatabaseClock } from "./metrics/clock.ts";
import { observeEntries } from "./metrics/entries.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { Fault } from "./platform/log/faults.ts";
import { joinParts, type Parts } from "./platform/part.ts";
import { connectBusPart } from "./platform/redis/part.ts";
import { observePresence } from "./presence/observer.ts";
import { createPresencePart } from "./presence/part.ts";
import { createAdmission } from "./realtime/admission.ts";
import { createConnections } from "./realtime/connections.ts";
import { readerOf } from "./realtime/protocol.ts";
import { createSocketServer } from "./realtime/server.ts";
import { createSnapshots } from "./realtime/snapshots.ts";
import { openStoragePart } from "./store/part.ts";
import { newMessageId } from "./store/store.ts";
import { createWelcome } from "./welcome.ts";

/** Shared by all parts. */
export type Base = {
  config: Config;
  metrics: Metrics;
  log: FastifyBaseLogger;
  /** Creates the function that counts and logs the failures of a part. */
  fault: (part: string) => Fault;
};

/** Assembles the service. It listens after the start. */
export async function buildApp(base: Base): Promise<Parts> {
  const { config, metrics, log, fault } = base;
  const storage = await openStoragePart(base);
  const { store } = storage;
  const { accounts, chats, statistics } = store;
  const isEmbedded = config.databaseUrl === undefined;
  await fillEmptyDatabase(accounts, { firstAdmin: config.firstAdmin, isEmbedded, log });
  const redis = await connectBusPart(config.redis, { metrics, log, onFault: fault("redis") });
  const { bus } = redis;
  const presencePart = createPresencePart({
    ...{ bus, heartbeats: store.heartbeats, graceMs: config.reconnectGraceMs },
    ...{ observer: observePresence(metrics, log), onFault: fault("presence") },
  });
  const { presence } = presencePart;

  const servers = await createServers(base);
  const tokens = createTokens(tokenOptions(config, storage.jwtSecrets), accounts);
  const admission = createAdmission(config.connectRate);
  const sockets = createSocketServer(servers.http.server, {
    ...{ config, tokens, accounts, mayAsk: servers.mayAsk, clients: servers.clients, bus },
    ...{ admission, metrics, log, onFault: fault("connection") },
  });

  const clock = createDatabaseClock();
  const show = createVisitorsView(config.visitorsSeeStaff);
  const delivery = createDeliveryPart(sockets.io, {
    ...{ bus, chats, people: accounts, presence, show, readerOf, metrics, clock, log },
    onFault: fault("delivery"),
  });
  const observeEntry = observeEntries({
    ...{ statistics, metrics, log, sessionOf: sockets.sessionOf },
    onFault: fault("database"),
  });
  const announce: ChatPorts["announce"] = (entry, by) => {
    delivery.announce(entry, by);
    observeEntry(entry, by);
  };
  const ports: ChatPorts = { chats, signal: delivery.signal, announce, newId: newMessageId };
  const attendance = createAttendance(presence, accounts, ports, { ...config, onFault: fault("presence") });
  const readSnapshot = createSnapshots({
    ...{ chats, people: accounts, show, online: delivery.online, now: clock.now },
    onFault: fault("connection"),
  });
  const listening = createListening(servers, base);

  /** The parts start and drain in this order, and stop in the reverse order. */
  return joinParts([
    storage,
    redis,
    [presencePart, servers],
    sockets,
    delivery,
    attendancePart(attendance, {
      isAlone: bus === undefined,
      onPresenceFault: fault("presence"),
      onSweepFault: fault("sweep"),
    }),
    createCensus({ statistics, presence, clock, metrics, onFault: fault("database") }),
    createConnections(sockets.io, {
      ...base,
      ...{ bus, admission, ports, accounts, attendance, delivery, readSnapshot },
    }),
    await addRoutes(servers, {
      ...{ config, store, tokens, bus, show, attendance, announce, sockets, metrics, log },
      ...{ isDraining: admission.isClosed, onLeaveFault: fault("leave") },
    }),
    listening,
    createWelcome({ config, storage, hasRedis: bus !== undefined, where: listening.where, log }),
  ]);
}
