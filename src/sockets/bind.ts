import type { FastifyBaseLogger } from "fastify";
import type { Socket } from "socket.io";
import { Compile } from "typebox/compile";
import type { Caller, ChatPorts } from "../chat/ports.ts";
import { isMonitor } from "../chat/rooms.ts";
import { Refusal, type RefusalCode } from "../contract/errors.ts";
import { type ClientEvent, type ClientEventName, clientEvents, fieldRefusals } from "../contract/events.ts";
import type { ChatMessage } from "../contract/models.ts";
import type { Metrics } from "../metrics.ts";
import { toRefusal } from "../refusals.ts";
import { handlers } from "./handlers.ts";

export type BindOptions = {
  ports: ChatPorts;
  metrics: Metrics;
  log: FastifyBaseLogger;
  /** Takes one event from the connection's allowance; false when there is none left. */
  mayAct: () => boolean;
  /** Runs one after the other what it is given, so that a connection's events keep their order. */
  enqueue: (work: () => Promise<void>) => void;
};

type Ack = (result: boolean, error: string | null, message?: ChatMessage) => void;
type AnyHandler = (ports: ChatPorts, caller: Caller, data: unknown, options: unknown) => Promise<ChatMessage | void>;

const validators = new Map(
  Object.entries<ClientEvent>(clientEvents).map(([name, { data, options }]) => [
    name,
    { data: Compile(data), options: options && Compile(options) },
  ]),
);

/**
 * Takes every event of a connection through the same gate: role, rate, schema, handler, ack. A refusal becomes
 * `(false, why)`; whatever else goes wrong is logged and answered "Internal error".
 */
export function bindEvents(socket: Socket, currentCaller: () => Caller, options: BindOptions): void {
  const { ports, metrics, log, mayAct, enqueue } = options;

  // A packet middleware that never calls `next`: nothing reaches the socket's own listeners, where a client's "error"
  // event would be an unhandled one.
  socket.use((given: unknown[]) => {
    const ack = (typeof given.at(-1) === "function" ? given.pop() : () => {}) as Ack;
    const [name, ...args] = given;
    const event = isEvent(name) ? name : null;
    const answer = (refusal: Refusal | null, message?: ChatMessage) => {
      metrics.events.inc({ event: event ?? "unknown", result: refusal?.code ?? "ok" });
      if (refusal) ack(false, refusal.message);
      else if (message) ack(true, null, message);
      else ack(true, null);
    };
    // The rate is counted when an event arrives, not when its turn comes.
    const isTooFast = !mayAct();

    enqueue(async () => {
      try {
        if (isTooFast) throw new Refusal("tooFast");
        if (!event) throw new Refusal("unknownEvent");
        const caller = currentCaller();
        checkSender(caller, clientEvents[event].from);
        const { data, second } = checkArguments(event, args);
        const message = await (handlers[event] as AnyHandler)(ports, caller, data, second);
        answer(null, message && gaveId(data, second) ? message : undefined);
      } catch (error) {
        answer(toRefusal(error, log.child({ event, user: currentCaller().user.id })));
      }
    });
  });
}

const isEvent = (name: unknown): name is ClientEventName =>
  typeof name === "string" && Object.hasOwn(clientEvents, name);

function checkSender(caller: Caller, from: ClientEvent["from"]): void {
  if (from === "visitor") {
    if (caller.kind !== "visitor") throw new Refusal("visitorOnly");
    return;
  }
  if (caller.kind !== "staff") throw new Refusal("staffOnly");
  if (from === "monitor" && !isMonitor(caller.user)) throw new Refusal("monitorOnly");
}

function checkArguments(event: ClientEventName, [data, second]: unknown[]): { data: unknown; second: unknown } {
  const { invalid = "invalidData" } = clientEvents[event] as ClientEvent;
  const schemas = validators.get(event);
  if (!schemas?.data.Check(data)) throw refusalOf(schemas?.data.Errors(data), invalid);
  if (!schemas.options || second === undefined || second === null) return { data, second: undefined };
  if (!schemas.options.Check(second)) throw refusalOf(schemas.options.Errors(second), "invalidOptions");
  return { data, second };
}

type SchemaError = { keyword: string; instancePath: string; params: { requiredProperties?: string[] } };

/** The refusal of the first field that is wrong or missing; `whole` when it isn't a field. */
function refusalOf(errors: Iterable<unknown> = [], whole: RefusalCode): Refusal {
  const [first] = errors as Iterable<SchemaError>;
  const field = first?.instancePath.split("/")[1] ?? first?.params.requiredProperties?.[0];
  const refusals = field === undefined ? undefined : fieldRefusals[field];
  return new Refusal((first?.keyword === "pattern" && refusals?.pattern) || (refusals?.wrong ?? whole));
}

/** A client that gave an id of its own has opted in to the ack's third value. */
const gaveId = (data: unknown, second: unknown): boolean =>
  [data, second].some((value) => (value as { id?: unknown } | undefined)?.id !== undefined);
