// Packets of Socket.IO and of Engine.IO, as text, that no client library would send. They are near enough to right ones to get far.
import fc from "fast-check";
import { clientEvents } from "../../src/contract/events.ts";

/** Half of the time one of these, else anything. */
const oneOf = (known: readonly string[], any: fc.Arbitrary<string> = fc.string({ unit: "binary", maxLength: 20 })) =>
  fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: any });

const eventName = oneOf([
  ...Object.keys(clientEvents),
  ...["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "error", "message"],
  ...["__proto__", "constructor", "toString", "", "reconnect_user"],
]);
const nastyText = oneOf([
  "\u0000",
  "\ud800",
  "\udfff\ud800",
  "\u2028",
  "\x1e",
  "%s%n",
  "'; DROP TABLE chats; --",
  "../../",
]);
const value = fc.oneof(
  fc.jsonValue(),
  nastyText,
  fc.constantFrom({ _placeholder: true, num: 0 }, { _placeholder: true, num: -1 }, { _placeholder: true, num: 1e9 }),
  fc.constantFrom({ _placeholder: true, num: "0" }, { _placeholder: 1, num: {} }, { content: "Hello" }, { id: "x" }),
  fc.record({ room: oneOf(["0".repeat(32), "f".repeat(32), "' OR 1=1"]), content: fc.jsonValue(), id: fc.uuid() }),
);
const event = fc
  .tuple(eventName, fc.array(value, { maxLength: 3 }))
  .map(([name, args]) => JSON.stringify([name, ...args]));

const brokenJson = fc.constantFrom(
  ...[
    "",
    "[",
    "]",
    "{",
    "[]",
    "{}",
    "null",
    "NaN",
    "-",
    "1e999",
    "[1e999]",
    '"\\ud800"',
    "[,]",
    '["x",]',
    "[[[[",
    '["x"',
  ],
  ...['{"__proto__":{"isAdmin":true}}', '["visitor_first_msg",{"__proto__":{"text":1}}]', '["__proto__","x"]'],
  ...['{"token":"x"}', '{"token":{"toString":1}}', '{"pid":1,"offset":"$"}', '["x",{"toJSON":1,"length":1e9}]'],
);
/** Long or deep, around the limit of 1 MB. */
const hugeJson = fc.constantFrom(
  "[".repeat(1_000_000),
  '{"a":'.repeat(150_000),
  `["visitor_first_msg",${"[".repeat(20_000)}${"]".repeat(20_000)}]`,
  `["visitor_first_msg",${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}]`,
  `["visitor_first_msg",{"text":"${"x".repeat(999_000)}"}]`,
  `["x"${",{}".repeat(300_000)}]`,
  `{${Array.from({ length: 50_000 }, (_, n) => `"${n}":1`).join()}}`,
  "x".repeat(1_100_000),
);
const json = fc.oneof(
  { weight: 30, arbitrary: event },
  { weight: 10, arbitrary: brokenJson },
  { weight: 5, arbitrary: fc.json() },
  { weight: 1, arbitrary: hugeJson },
);

/** `<type><attachments>-<namespace>,<ack id><data>`, each part of it right or not. */
const packet = fc
  .tuple(
    oneOf(["0", "1", "2", "2", "2", "3", "4", "5", "6", "7", "9"]),
    fc.oneof(
      { weight: 6, arbitrary: fc.constant("") },
      {
        weight: 3,
        arbitrary: fc.constantFrom("1-", "2-", "10-", "11-", "0-", "-1-", "1000000000-", "NaN-", "1e9-", "0x2-"),
      },
      { weight: 1, arbitrary: fc.constantFrom("Infinity-", "99999999999999999999-", "1.5-", "-", "1", " 1-") },
    ),
    fc.oneof(
      { weight: 8, arbitrary: fc.constant("") },
      {
        weight: 2,
        arbitrary: fc.constantFrom("/,", "/admin,", "//,", "/__proto__,", "/constructor,", "/?token=x,", "/"),
      },
      { weight: 1, arbitrary: fc.constantFrom(`/${"n".repeat(100_000)},`, "/\u0000,", "/%zz,", "/[,") },
    ),
    oneOf(["", "", "", "0", "1", "1", "-5", "1e3", "99999999999999999999", "007", " 7"]),
    json,
  )
  .map((parts) => parts.join(""));
export const socketIoPacket = fc.oneof(
  { weight: 5, arbitrary: packet },
  {
    weight: 3,
    arbitrary: fc.constantFrom("0", "0", "1", "0{}", '0{"token":"x"}', "3[]", "31[true]", "3-1[]", "4", '4"x"'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('51-["x",{"_placeholder":true,"num":0}]', '52-["x",{"_placeholder":true,"num":5}]'),
  },
);

/** Mostly a message, and now and then what belongs elsewhere. */
export const engineIoPacket = fc.oneof(
  { weight: 8, arbitrary: socketIoPacket.map((data) => `4${data}`) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      "0",
      "1",
      "2",
      "2probe",
      "3",
      "3",
      "3probe",
      "5",
      "6",
      "7",
      "9",
      "",
      "b",
      "bAAAA",
      "b4",
      "b!!",
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 30 }) },
);

const RECORD_SEPARATOR = "\x1e";

/** The body of a polling client's POST: packets of version 4 or 3, well or badly put together. */
export const pollingBody = fc
  .tuple(fc.array(engineIoPacket, { maxLength: 6 }), fc.integer({ min: 0, max: 9 }))
  .map(([packets, form]) => {
    if (form === 0) return `${RECORD_SEPARATOR}${packets.join(RECORD_SEPARATOR.repeat(3))}${RECORD_SEPARATOR}`;
    if (form === 1) return packets.map((one) => `${one.length}:${one}`).join("");
    if (form === 2) return packets.map((one, n) => `${[one.length + 5, -1, "1e9", ""][n % 4]}:${one}`).join("");
    if (form === 3) return `${packets[0] ?? "3"}${RECORD_SEPARATOR}`.slice(0, 300).repeat(3_000);
    return packets.join(RECORD_SEPARATOR);
  });
