import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import { clientEvents } from "../../src/contract/events.ts";
import { type Cast, enterAll, type Organisation, startWorld, type World } from "../support/world.ts";

/** For each of the three senders. */
const RUNS = 100;
const MAX_CONTENT_BYTES = 65_536;

let world: World;
let organisation: Organisation;
let cast: Cast;
/** The ids of the organisation's chats: one that the agent serves, one in the queue. */
let rooms: string[];

beforeAll(async () => {
  world = await startWorld("one process");
});
afterAll(async () => {
  const output = world?.pods[0]?.output();
  await world?.stop();
  expect(output).not.toMatch(/unexpected error|a connection's work failed/);
});
beforeEach(async () => {
  organisation = await world.organisation();
  cast = await enterAll(world, organisation);
  rooms = [];
  for (const client of [cast.visitor, cast.stranger]) {
    const message = await client.ok("visitor_first_msg", { text: "Hello" }, { id: crypto.randomUUID() });
    rooms.push(message?.chat_id as string);
  }
  await cast.agent.ok("staff_join", { room: rooms[0] });
  await receiveEverything();
});

/** A single process publishes before it answers: after a round trip of each client, all events have arrived. */
const receiveEverything = () => Promise.all(Object.values(cast).map((client) => client.send("no such event")));
/** The closed list of refusals after `false`. Faults of the service itself aren't in this list. */
const sentences = Object.entries(refusals)
  .filter(([code]) => code !== "internal" && code !== "unavailable")
  .map(([code, { sentence }]) => sentence.replace("{max}", `${code === "contentTooDeep" ? 32 : MAX_CONTENT_BYTES}`));

// Values that a JSON text can express, and bytes.
const prototypeKeys = fc.constantFrom("__proto__", "constructor", "toString", "hasOwnProperty", "toJSON", "length");
const ourKeys = fc.constantFrom("room", "content", "id", "severity_level", "text");
const nested = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`);
const leaf = fc.oneof(
  fc.jsonValue(),
  fc.string({ unit: "binary" }),
  fc.constantFrom("", "\u0000", "\ud800", null, -0, 32_768, 1e300),
  fc.uuid(),
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 200_000 }).map((length) => "x".repeat(length)) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 1_000 }).map(nested) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)) },
);
const value = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.array(fc.tuple(fc.oneof(ourKeys, prototypeKeys, fc.string()), tie("tree")), { maxLength: 4 }).map(ownEntries),
  ),
})).tree;

/** An object with these keys of its own, `__proto__` included. */
function ownEntries(entries: [string, unknown][]): Record<string, unknown> {
  const object = {};
  for (const [key, value] of entries) {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return object;
}

const own = (data: unknown, key: string): unknown =>
  typeof data === "object" && data !== null && Object.hasOwn(data, key) ? data[key as never] : undefined;
const isBinary = (data: unknown) => ArrayBuffer.isView(data) || data instanceof ArrayBuffer;
const isObject = (data: unknown) =>
  typeof data === "object" && data !== null && !Array.isArray(data) && !isBinary(data);
const inner = (data: unknown): unknown[] =>
  typeof data === "object" && data !== null && !isBinary(data) ? Object.values(data) : [];
const binaries = (data: unknown): number =>
  inner(data).reduce((sum: number, one) => sum + binaries(one), isBinary(data) ? 1 : 0);
const levels = (data: unknown): number =>
  typeof data === "object" && data !== null ? 1 + Math.max(0, ...inner(data).map(levels)) : 0;
/** By every client, and for all the same. */
const isReadable = (data: unknown): boolean => {
  if (typeof data === "string") return data.isWellFormed();
  if (typeof data === "number") return !Number.isInteger(data) || Number.isSafeInteger(data) || Math.abs(data) >= 1e21;
  return isObject(data)
    ? Object.entries(data as object).every((entry) => entry.every(isReadable))
    : inner(data).every(isReadable);
};
const bytes = (data: unknown) => Buffer.byteLength(JSON.stringify(data));

/**
 * More than 1 MB, or than 10 binary values, ends the connection. And with binary values anywhere, the client library
 * drops keys named `__proto__` before it sends.
 */
const isTransportable = (args: unknown[]) =>
  bytes(args) < 900_000 &&
  (binaries(args) === 0 || (binaries(args) <= 10 && !JSON.stringify(args).includes('"__proto__"')));

const isContent = (data: unknown) =>
  isObject(data) &&
  inner(data).length > 0 &&
  binaries(data) === 0 &&
  levels(data) <= 32 &&
  isReadable(data) &&
  bytes(data) <= MAX_CONTENT_BYTES;
const isMessageId = (id: unknown) => id === undefined || (typeof id === "string" && /^[0-9a-f-]{36}$/i.test(id));
const isOptions = (data: unknown) =>
  data === undefined || data === null || (isObject(data) && isMessageId(own(data, "id")));
const isSeverity = (level: unknown) =>
  level === undefined || (Number.isInteger(level) && Number(level) >= 0 && Number(level) <= 32_767);

type Sender = "visitor" | "agent" | "admin";

/** Whether `true` may be the answer: the event is the sender's, and its data are as documented. */
function mayBeTrue(sender: Sender, event: string, [data, second]: unknown[]): boolean {
  if (event === "visitor_leave_room") return sender === "visitor";
  if (event.startsWith("visitor_")) return sender === "visitor" && isContent(data) && isOptions(second);
  if (sender === "visitor" || !rooms.includes(own(data, "room") as string)) return false;
  if (event === "staff_msg") return isContent(own(data, "content")) && isMessageId(own(data, "id"));
  if (event === "take_over_chat") return sender === "admin";
  if (event === "change_chat_priority") return isSeverity(own(data, "severity_level"));
  return event === "staff_join" || event === "staff_leave_room";
}

const known = Object.keys(clientEvents);
/** The client library keeps these to itself. */
const reserved = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

test.each<Sender>(["visitor", "agent", "admin"])(
  "each event of the %s is answered: by true only if it is valid, else by its refusal, and then reaches nobody",
  { timeout: 60_000 },
  async (sender) => {
    const events = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...known) },
      { weight: 1, arbitrary: fc.oneof(prototypeKeys, fc.string()).filter((name) => !reserved.includes(name)) },
    );
    const room = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...rooms) }, { weight: 1, arbitrary: value });
    const data = fc.record(
      { room, content: value, id: fc.oneof(fc.uuid(), value), severity_level: value },
      {
        requiredKeys: [],
      },
    );
    const args = fc
      .array(fc.oneof({ weight: 2, arbitrary: value }, { weight: 1, arbitrary: data }), { maxLength: 3 })
      .filter(isTransportable);

    await fc.assert(
      fc.asyncProperty(events, args, async (event, given) => {
        for (const client of Object.values(cast)) client.forget();
        const [result, error, ...others] = await cast[sender].send(event, ...given);
        await receiveEverything();
        if (result === true) {
          expect(error).toBe(null);
          expect(mayBeTrue(sender, event, given)).toBe(true);
          return;
        }
        expect(result).toBe(false);
        expect(others).toEqual([]);
        expect(sentences).toContain(error);
        expect(Object.values(cast).flatMap((client) => client.names())).toEqual([]);
        if (event === "visitor_first_msg") expect(mayBeTrue(sender, event, given)).toBe(false);
      }),
      { numRuns: RUNS },
    );
    for (const client of Object.values(cast)) expect(client.socket.connected).toBe(true);
  },
);
