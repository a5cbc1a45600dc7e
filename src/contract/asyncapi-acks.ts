import type { TSchema } from "typebox";
import { type AckValueName, ackValues, RefusalDetails } from "./acks.ts";
import { refusals, retryOf } from "./errors.ts";
import { exampleOf } from "./examples.ts";
import { ChatMessage } from "./models.ts";
import type { createSchemaNames } from "./named-schemas.ts";

type Names = ReturnType<typeof createSchemaNames>;

const boolean = { type: "boolean" };
const why = { anyOf: [{ type: "null" }, { type: "string" }] };
const valueNames = Object.keys(ackValues) as AckValueName[];
const titles: Record<AckValueName, string> = { message: "AckWithMessage", chat: "AckWithChat", nothing: "AckAlone" };
const summaries: Record<AckValueName, string> = {
  message: "the stored message",
  chat: "the chat that the sender serves now",
  nothing: "null",
};

/** The acks of an event: the one without `protocol=2`, then the one with it. */
export const acksOf = (value: AckValueName): string[] => ["ack", `ack.${value}`];

/** All acks as the document's messages. */
export function ackMessages({ refer, name }: Names): Record<string, object> {
  const first = {
    ...{ name: "ack", title: "ack" },
    summary: "`(true, null)`, or `(false, why)`; a client that gave an id gets the stored message as a third value.",
    payload: name("Ack", {
      type: "array",
      items: [boolean, why, refer(ChatMessage)],
      minItems: 2,
      maxItems: 3,
    }),
    examples: [
      { name: "done", payload: [true, null] },
      { name: "refused", payload: [false, refusals.alreadyClaimed.sentence] },
      { name: "stored", payload: [true, null, exampleOf(ChatMessage as never)] },
    ],
    "x-refusals": Object.values(refusals).map(({ sentence }) => sentence),
  };
  const second = (value: AckValueName, schema: TSchema) => ({
    ...{ name: "ack", title: `ack (protocol=2, ${value})` },
    summary: `With \`protocol=2\`: \`(true, null, value)\`, or \`(false, why, details)\`. The value is ${summaries[value]}.`,
    payload: name(titles[value], {
      type: "array",
      items: [boolean, why, { anyOf: [refer(schema), refer(RefusalDetails)] }],
      minItems: 3,
      maxItems: 3,
    }),
    examples: [
      { name: "done", payload: [true, null, exampleOf(schema as never)] },
      { name: "refused", payload: [false, refusals.busy.sentence, { code: "busy", ...retryOf("busy") }] },
    ],
  });
  return { ack: first, ...Object.fromEntries(valueNames.map((one) => [`ack.${one}`, second(one, ackValues[one])])) };
}
