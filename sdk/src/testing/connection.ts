import type { TransportConnection, TransportEvents } from "../transport.ts";
import type { Effect, Faults, Occasion } from "./faults.ts";
import { createLine } from "./line.ts";
import { createPackets } from "./packets.ts";
import { FakeRefusal } from "./refusals.ts";
import type { Timers } from "./time.ts";
import { overTheWire } from "./wire-form.ts";

/** A connection, seen from the server. */
export interface ServerConnection {
  readonly id: string;
  readonly userId: string;
  /** Sends an event. `lost` is called when a fault loses it. */
  send(event: string, payload: unknown, about?: { chatId?: string; lost?: () => void }): void;
  /** Sends a snapshot. Delayed events come before it, later events after it. */
  sendSnapshot(event: string, payload: unknown): void;
  /** Ends it: `lost` as the network does, `ended` for good. */
  cut(how: "lost" | "ended"): void;
  /** Delivers what is delayed or held now. */
  release(): void;
}

/** The server's side of connections. */
export interface Service {
  /** The connecting user. A refused handshake throws a FakeRefusal. */
  admit(token: string): { userId: string; expiresAt: number };
  opened(connection: ServerConnection): void;
  /** Handles an event, and answers the ack's values. */
  handle(connection: ServerConnection, event: string, args: readonly unknown[]): unknown[];
  closed(connection: ServerConnection, isChoice: boolean): void;
  isAway(): boolean;
  nameOf(userId: string): string;
}

type Parts = { id: string; service: Service; faults: Faults; timers: Timers; latencyMs: () => number };

/** Opens a connection of a client to the service. */
export function connect(
  { id, service, faults, timers, latencyMs }: Parts,
  token: string,
  on: TransportEvents,
): TransportConnection {
  const toServer = createLine(timers, latencyMs);
  const toClient = createLine(timers, latencyMs);
  let userId: string | null = null;
  let [isOpen, isOver] = [false, false];
  let stopExpiry = () => {};

  const occasion = (subject: Occasion["subject"], name: string, chatId?: string): Occasion => ({
    ...{ subject, name, chatId, userId, userName: userId === null ? null : service.nameOf(userId) },
  });
  const meet = (one: Occasion): Effect | undefined => faults.meet(one);
  const packets = createPackets(toClient, timers, meet);

  /** Nothing is delivered after it, in neither direction. */
  function over(isChoice: boolean): void {
    if (isOver) return;
    isOver = true;
    stopExpiry();
    for (const line of [toServer, toClient]) line.cut();
    if (isOpen) service.closed(connection, isChoice);
  }
  const end = (report: () => void, isChoice = false) => {
    if (isOver) return;
    over(isChoice);
    queueMicrotask(() => !isClosedByClient && report());
  };
  let isClosedByClient = false;

  const connection: ServerConnection = {
    id,
    get userId() {
      return userId ?? "";
    },
    send: (event, payload, { chatId, lost } = {}) =>
      packets.send({
        occasion: occasion("event", event, chatId),
        value: overTheWire(payload),
        deliver: (value) => on.event(event, value),
        ...(lost && { lost }),
      }),
    sendSnapshot(event, payload) {
      packets.release();
      const effect = meet(occasion("snapshot", event));
      if (effect?.do === "lose") return end(on.lost);
      const value = effect?.do === "garble" ? effect.value : overTheWire(payload);
      if (effect?.do === "delay") {
        toClient.pause();
        timers.after(effect.ms, toClient.resume);
      }
      toClient.put(() => on.event(event, value));
      if (effect?.do === "repeat") toClient.put(() => on.event(event, overTheWire(payload)));
    },
    cut: (how) => end(on[how], how === "ended"),
    release: packets.release,
  };

  function refuse({ status, code, message, retryAfterMs }: FakeRefusal): void {
    end(() => on.refused({ status, code, text: message, ...(retryAfterMs !== undefined && { retryAfterMs }) }));
  }
  function enter(): void {
    try {
      const { userId: user, expiresAt } = service.admit(token);
      userId = user;
      stopExpiry = timers.after(expiresAt - timers.now(), () => end(on.lost));
      isOpen = true;
      toClient.put(on.open);
      service.opened(connection);
    } catch (error) {
      if (!(error instanceof FakeRefusal)) throw error;
      refuse(error);
    }
  }
  toServer.put(() => {
    const effect = meet(occasion("connect", "connect"));
    if (service.isAway() || effect?.do === "lose") end(() => on.refused({}));
    else if (effect?.do === "refuse") refuse(effect.refusal);
    else if (effect?.do === "delay") timers.after(effect.ms, () => !isOver && enter());
    else enter();
  });

  return {
    emit(event, args, ack) {
      if (isOver || !isOpen) return;
      const sent = overTheWire(args);
      const chatId = (sent[0] as { room?: string } | null | undefined)?.room;
      const effect = meet(occasion("command", event, chatId));
      if (effect?.do === "lose") return;
      const handle = () => {
        const values =
          effect?.do === "refuse"
            ? [false, effect.refusal.message, codeOf(effect.refusal)]
            : service.handle(connection, event, sent);
        if (isOver) return;
        packets.send({
          occasion: occasion("ack", event, chatId),
          value: overTheWire(values),
          deliver: (value) => ack(...(Array.isArray(value) ? value : [value])),
        });
      };
      if (effect?.do === "delay") {
        // The network is slow, and keeps the order.
        toServer.pause();
        timers.after(effect.ms, toServer.resume);
      }
      toServer.put(handle);
    },
    close(how) {
      if (isClosedByClient) return;
      isClosedByClient = true;
      toClient.cut();
      toServer.put(() => over(how === "leave"));
    },
  };
}

/** The third value of a refused ack. */
export const codeOf = ({ code, retryAfterMs, by }: FakeRefusal) => ({
  ...{ code, ...(retryAfterMs !== undefined && { retry_after_ms: retryAfterMs }), ...(by != null && { by }) },
});
