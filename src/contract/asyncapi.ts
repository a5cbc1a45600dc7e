import { refusals } from "./errors.ts";
import { type ClientEvent, clientEvents, type ServerEvent, serverEvents } from "./events.ts";
import { ChatMessage } from "./models.ts";

const channel = { $ref: "#/channels/socket" };
const message = (name: string) => ({ $ref: `#/channels/socket/messages/${name}` });

/** The socket protocol as an AsyncAPI 3 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0). */
export function asyncApiDocument(version: string): Record<string, unknown> {
  const received = Object.entries<ClientEvent>(clientEvents);
  const sent = Object.entries<ServerEvent>(serverEvents);
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Chat backend: socket events",
      version,
      description:
        "Socket.IO v4 on `/socket.io`. The access token goes into the `Authorization` header of the handshake. An event " +
        "that the service receives carries `payload` as its first argument, and `x-second-argument`, where there is one, " +
        "as its second; it is answered by the ack. An event that the service sends carries `payload` as its only one.",
    },
    defaultContentType: "application/json",
    channels: {
      socket: {
        address: "/socket.io",
        messages: {
          ...Object.fromEntries(
            received.map(([name, { summary, data, options }]) => [
              name,
              { name, summary, payload: data, ...(options && { "x-second-argument": options }) },
            ]),
          ),
          ...Object.fromEntries(sent.map(([name, { summary, payload }]) => [name, { name, summary, payload }])),
          ack: {
            name: "ack",
            summary:
              "`(true, null)`, or `(false, why)`; a client that gave an id gets the stored message as a third value.",
            payload: {
              type: "array",
              items: [
                { type: "boolean" },
                { anyOf: [{ type: "null" }, { type: "string" }] },
                { ...ChatMessage, description: "only for a client that gave an id" },
              ],
              minItems: 2,
              maxItems: 3,
            },
            "x-refusals": Object.values(refusals).map(({ sentence }) => sentence),
          },
        },
      },
    },
    operations: {
      ...Object.fromEntries(
        received.map(([name, { summary, from }]) => [
          name,
          {
            ...{ action: "receive", channel, summary, description: `Sent by: ${from}`, messages: [message(name)] },
            reply: { channel, messages: [message("ack")] },
          },
        ]),
      ),
      ...Object.fromEntries(
        sent.map(([name, { summary, to }]) => [
          name,
          { action: "send", channel, summary, description: `Heard by: ${to}`, messages: [message(name)] },
        ]),
      ),
    },
  };
}
