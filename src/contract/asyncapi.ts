import type { TSchema } from "typebox";
import { ackMessages, acksOf } from "./asyncapi-acks.ts";
import type { ServerEvent } from "./event-parts.ts";
import { type ClientEvent, clientEvents, type ServerEventName, serverEvents } from "./events.ts";
import { exampleOf } from "./examples.ts";
import { createSchemaNames } from "./named-schemas.ts";
import { type Reader, secondForms } from "./second-form.ts";

const channel = { $ref: "#/channels/socket" };
const inChannel = (name: string) => ({ $ref: `#/channels/socket/messages/${name}` });
const inComponents = (name: string) => ({ $ref: `#/components/messages/${name}` });

const description = `Socket.IO v4 on \`/socket.io/\`. The access token goes into the \`Authorization\` header of the handshake.

An event that the service receives carries \`payload\` as its first argument, and \`x-second-argument\`, where there is one, as its
second. The service answers it by the ack. An event that the service sends carries \`payload\` as its only argument. A connection receives no event of its own
action: it has the ack.

A handshake with \`protocol=2\` in its query, or a CONNECT with \`protocol: 2\` in its \`auth\`, chooses the second form of acks and
events. Messages with \`protocol=2\` in their title have that form. An event without one is the same in both forms.`;

/** The socket protocol as an AsyncAPI 3 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0). */
export function asyncApiDocument(version: string): Record<string, unknown> {
  const received = Object.entries<ClientEvent>(clientEvents);
  const sent = Object.entries<ServerEvent>(serverEvents);
  const names = createSchemaNames();
  const { schemas, refer, name } = names;

  /** A schema without a name of its own is named after its event. */
  const named = (title: string, schema: TSchema): unknown => {
    const referred = refer(schema) as { $ref?: string };
    return referred.$ref ? referred : name(title, referred);
  };
  const message = (event: string, summary: string, payload: TSchema, title = inPascalCase(event)) => ({
    ...{ name: event, title: event, summary, payload: named(title, payload) },
    examples: [{ name: event, payload: exampleOf(payload as never) }],
  });
  const messages: Record<string, object> = {
    ...Object.fromEntries(
      received.map(([event, { summary, data, options }]) => [
        event,
        { ...message(event, summary, data), ...(options && { "x-second-argument": refer(options) }) },
      ]),
    ),
    ...Object.fromEntries(sent.map(([event, { summary, payload }]) => [event, message(event, summary, payload)])),
    ...Object.fromEntries(
      sent.flatMap(([event, { summary }]) =>
        differingForms(event).map(({ key, reader, schema }) => {
          const second = message(event, summary, schema, `${inPascalCase(event)}To${inPascalCase(reader)}`);
          return [key, { ...second, title: `${event} (protocol=2, to ${reader === "staff" ? "staff" : "visitors"})` }];
        }),
      ),
    ),
    ...ackMessages(names),
  };

  return {
    asyncapi: "3.0.0",
    id: "urn:chat-backend:socket",
    info: {
      title: "Chat backend: socket events",
      version,
      description,
      license: { name: "MIT", url: "https://opensource.org/license/mit" },
      tags: [{ name: "chat", description: "Conversations between visitors and staff." }],
    },
    defaultContentType: "application/json",
    servers: {
      service: {
        host: "{host}",
        protocol: "wss",
        description: "This service, behind TLS. Without TLS the protocol is ws.",
        variables: { host: { description: "host, and port where there is one", default: "localhost:3000" } },
        security: [{ $ref: "#/components/securitySchemes/token" }],
      },
    },
    channels: {
      socket: {
        address: "/socket.io/",
        title: "Socket.IO",
        description: "The one connection that carries all events.",
        messages: Object.fromEntries(Object.keys(messages).map((event) => [event, inComponents(event)])),
        servers: [{ $ref: "#/servers/service" }],
      },
    },
    operations: {
      ...Object.fromEntries(
        received.map(([event, { summary, from, value }]) => [
          event,
          {
            ...{ action: "receive", channel, title: event, summary, description: `Sent by: ${from}` },
            messages: [inChannel(event)],
            reply: { channel, messages: acksOf(value).map(inChannel) },
          },
        ]),
      ),
      ...Object.fromEntries(
        sent.map(([event, { summary, to }]) => [
          event,
          {
            ...{ action: "send", channel, title: event, summary, description: `Received by: ${to}` },
            messages: [event, ...differingForms(event).map(({ key }) => key)].map(inChannel),
          },
        ]),
      ),
    },
    components: {
      schemas,
      messages,
      securitySchemes: {
        token: {
          type: "httpApiKey",
          in: "header",
          name: "Authorization",
          description: "the access token, with or without `Bearer`",
        },
      },
    },
  };
}

/** The second forms of an event that aren't as the first one. */
function differingForms(event: string) {
  const { payload } = serverEvents[event as ServerEventName];
  const forms = Object.entries(secondForms[event as ServerEventName]) as [Reader, TSchema][];
  return forms.flatMap(([reader, schema]) =>
    schema === payload ? [] : [{ key: `${event}.${reader}`, reader, schema }],
  );
}

/** `staff_init` → `StaffInit` */
const inPascalCase = (event: string) =>
  event
    .split("_")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
