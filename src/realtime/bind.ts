import type { FastifyBaseLogger } from "fastify";
import type { Socket } from "socket.io";
import { Compile } from "typebox/compile";
import { commands } from "../chat/commands.ts";
import type { Caller, ChatPorts } from "../chat/ports.ts";
import { replyOf, rivalOf } from "../chat/replies.ts";
import { isMonitor } from "../chat/rooms.ts";
import type { RefusalDetails } from "../contract/acks.ts";
import { Refusal, type RefusalCode, retryOf } from "../contract/errors.ts";
import { type ClientEvent, type ClientEventName, clientEvents, fieldRefusals } from "../contract/events.ts";
import { type ChatMessage, Content, isId, type Staff } from "../contract/models.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { BudgetMember } from "../platform/budget.ts";
import { takeEvents } from "../platform/engine/arrivals.ts";
import { toRefusal } from "../store/refusals.ts";
import { checkContent } from "./content.ts";
import { protocolOf } from "./protocol.ts";
import type { Queue } from "./queue.ts";
import { memoryOf } from "./waiting.ts";

type BindOptions = {
  ports: ChatPorts;
  metrics: Metrics;
  log: FastifyBaseLogger;
  /** The user and connection, for the log. */
  who: () => object;
  maxContentBytes: number;
  /** Takes one event from the connection's allowance. Answers false when none is left. */
  mayAct: () => boolean;
  /** The connection's part of the memory budget for unanswered events. */
  waiting: BudgetMember;
  /** Runs works one after the other, so that a connection's events keep their order. */
  queue: Queue;
};

type AnyHandler = (ports: ChatPorts, caller: Caller, data: unknown, options: unknown) => Promise<ChatMessage | void>;

/** The names of a budget's parts in the metrics. */
const parts = { member: "connection", group: "organisation", total: "process" } as const;

const validators = new Map(
  Object.entries<ClientEvent>(clientEvents).map(([name, { data, options }]) => [
    name,
    { data: Compile(data), options: options && Compile(options) },
  ]),
);

/**
 * Takes every event of a connection through the same gate: rate, role, schema, content, memory, handler, ack. A refusal
 * becomes `(false, why)`. Any other error is logged and answered "Internal error". Checks without the database run on
 * arrival, so that only good events wait. With protocol 2 each ack
 * has a third value: `replyOf` after true, `detailsOf` after false.
 * @param currentCaller answers the acting user; throws a Refusal when they may not act any more
 */
export function bindEvents(socket: Socket, currentCaller: () => Caller, options: BindOptions): void {
  const { ports, metrics, log, who, queue, waiting } = options;
  const isVerbose = log.level === "debug" || log.level === "trace";
  const isSecond = protocolOf(socket) === 2;

  takeEvents(socket, ({ name, args, ack, bytes, isTooMuch }) => {
    const event = isEvent(name) ? name : null;
    const arrivedAt = performance.now();
    const seconds = () => (performance.now() - arrivedAt) / 1_000;
    /** For the log, because a client may send anything as an event's name. */
    const about = (chat = chatOf(event, args[0])) => ({ ...who(), ...(chat && { chat }), event: event ?? "unknown" });
    const accept = (name: ClientEventName, message: ChatMessage | void, values: unknown[]) => {
      metrics.events.inc({ event: name, result: "ok" });
      metrics.acks.observe({ event: name }, seconds());
      ack(true, null, ...values);
      if (isVerbose) log.debug({ ...about(message?.chat_id), result: "ok", seconds: seconds() }, "event");
    };
    const refuse = (refusal: Refusal, by: Staff | null = null) => {
      metrics.events.inc({ event: event ?? "unknown", result: refusal.code });
      if (isSecond) ack(false, refusal.message, detailsOf(refusal, by));
      else ack(false, refusal.message);
      if (isVerbose) log.debug({ ...about(), result: refusal.code, seconds: seconds() }, "event");
    };
    /** The refusal is right without them: when they can't be read, the ack has no `by`. */
    const findRival = async ({ code }: Refusal, chatId: string | undefined): Promise<Staff | null> => {
      try {
        return await rivalOf(ports, currentCaller(), { code, chatId });
      } catch (error) {
        toRefusal(error, log, about);
        return null;
      }
    };
    const slowDown = (what: "event" | "bytes" | "waiting") => {
      metrics.rateLimited.inc({ what });
      return new Refusal("tooFast");
    };
    /** Takes memory for the event until its answer. When a budget is used up, the newest event is refused. */
    const reserve = (memory: number) => {
      const spent = waiting.take(memory);
      if (!spent) return;
      metrics.budgetRefusals.inc({ budget: "events", of: parts[spent] });
      throw spent === "member" ? slowDown("waiting") : new Refusal("busy");
    };

    try {
      if (!options.mayAct()) throw slowDown("event");
      if (isTooMuch) throw slowDown("bytes");
      if (!event) throw new Refusal("unknownEvent");
      checkSender(currentCaller(), clientEvents[event].from);
      const { data, second } = checkArguments(event, args, options.maxContentBytes);
      const memory = memoryOf(bytes, args);
      reserve(memory);
      queue.enqueue(async () => {
        try {
          const caller = currentCaller();
          const message = await (commands[event] as AnyHandler)(ports, caller, data, second);
          if (isSecond) {
            const reply = await replyOf(ports, caller, { event, chatId: chatOf(event, data), message });
            accept(event, message, [reply]);
          } else accept(event, message, message && gaveId(event, data, second) ? [message] : []);
        } catch (error) {
          const refusal = toRefusal(error, log, about);
          refuse(refusal, isSecond ? await findRival(refusal, chatOf(event, data)) : null);
        } finally {
          waiting.giveBack(memory);
        }
      });
    } catch (error) {
      refuse(toRefusal(error, log, about));
    }
  });
}

/** The third value of a protocol-2 ack after false. */
const detailsOf = ({ code }: Refusal, by: Staff | null): RefusalDetails => ({
  ...{ code, ...retryOf(code) },
  ...(by && { by }),
});

const isEvent = (name: unknown): name is ClientEventName =>
  typeof name === "string" && Object.hasOwn(clientEvents, name);

/** The chat of a staff member's event. A visitor's data is content only. */
function chatOf(event: ClientEventName | null, data: unknown): string | undefined {
  if (event === null || clientEvents[event].from === "visitor") return undefined;
  const { room } = (data ?? {}) as { room?: unknown };
  return typeof room === "string" && isId(room) ? room : undefined;
}

function checkSender(caller: Caller, from: ClientEvent["from"]): void {
  if (from === "visitor") {
    if (caller.kind !== "visitor") throw new Refusal("visitorOnly");
    return;
  }
  if (caller.kind !== "staff") throw new Refusal("staffOnly");
  if (from === "monitor" && !isMonitor(caller.user)) throw new Refusal("monitorOnly");
}

function checkArguments(event: ClientEventName, [data, second]: unknown[], maxContentBytes: number) {
  const { invalid = "invalidData", data: schema } = clientEvents[event] as ClientEvent;
  const validator = validators.get(event);
  if (!validator?.data.Check(data)) throw refusalOf(validator?.data.Errors(data), invalid);
  if (schema === Content) checkContent(data as Content, maxContentBytes);
  else if (event === "staff_msg") checkContent((data as { content: Content }).content, maxContentBytes);
  if (!validator.options || second === undefined || second === null) return { data, second: undefined };
  // For the schema, binary data is an object.
  if (ArrayBuffer.isView(second) || !validator.options.Check(second))
    throw refusalOf(validator.options.Errors(second), "invalidOptions");
  return { data, second };
}

type SchemaError = { keyword: string; instancePath: string; params: { requiredProperties?: string[] } };

/** The refusal for the first wrong or missing field, or `whole` if it isn't a field. */
function refusalOf(errors: Iterable<unknown> = [], whole: RefusalCode): Refusal {
  const [first] = errors as Iterable<SchemaError>;
  const field = first?.instancePath.split("/")[1] ?? first?.params.requiredProperties?.[0];
  const refusals = field === undefined ? undefined : fieldRefusals[field];
  return new Refusal((first?.keyword === "pattern" && refusals?.pattern) || (refusals?.wrong ?? whole));
}

/** A client that gave its own id has opted in to the third value of the ack. */
function gaveId(event: ClientEventName, data: unknown, second: unknown): boolean {
  const holder = validators.get(event)?.options ? second : data;
  return (holder as { id?: unknown } | null | undefined)?.id !== undefined;
}
