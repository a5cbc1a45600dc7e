// Socket.IO below its client library: for what that library would not send, and for the HTTP answers it hides.
import { once } from "node:events";
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterTests } from "./after-tests.ts";
import { within } from "./client.ts";

export const transports = ["polling", "websocket"] as const;
export type Transport = (typeof transports)[number];

export const handshakePath = (transport: string): string => `/socket.io/?EIO=4&transport=${transport}`;

/** A websocket with the token in its header, which only Node's own can do: the type is the browsers'. */
export function openWebSocket(url: string, token: string, query = ""): WebSocket {
  const options = { headers: { Authorization: token } } as never;
  return new WebSocket(new URL(`${handshakePath("websocket")}${query}`, url.replace(/^http/, "ws")), options);
}

export const upgradeHeaders = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

export type Answer = { status: number | undefined; headers: IncomingHttpHeaders; body: string };

/** Asks for a connection and resolves to the HTTP answer; on a websocket that was let in, its status is 101. */
export async function knock(
  url: string,
  transport: Transport,
  headers: Record<string, string>,
  path = handshakePath(transport),
): Promise<Answer> {
  const asked = request(new URL(path, url), {
    ...{ agent: false, signal: AbortSignal.timeout(5_000) },
    headers: { ...(transport === "websocket" && upgradeHeaders), ...headers },
  }).end();
  const answered = once(asked, "response") as Promise<[IncomingMessage]>;
  const letIn = once(asked, "upgrade") as Promise<[IncomingMessage, Socket]>;
  const [answer, socket] = await Promise.race<[IncomingMessage, Socket?]>([answered, letIn]);
  socket?.destroy();
  return { status: answer.statusCode, headers: answer.headers, body: socket ? "" : await text(answer) };
}

const open = new Set<WebSocket>();

afterTests(() => {
  for (const socket of open) socket.close();
  open.clear();
});

/** A connection that sends what it is given, letter by letter. */
export type RawClient = {
  /** Sends an event, `[name, ...arguments]` as JSON; resolves to the ack's arguments. */
  ask(json: string): Promise<unknown[]>;
  /** Asks for the namespace, again after it was left. */
  connect(): Promise<unknown>;
  /** Sends a whole packet. */
  send(packet: string): void;
  /** Resolves when the service has closed the connection. */
  closed: Promise<unknown>;
};

export async function connectRaw(url: string, token: string): Promise<RawClient> {
  const socket = openWebSocket(url, token);
  open.add(socket);
  let asked = 0;
  const waiting = new Map<string, (value: never) => void>();
  const answerTo = (what: string, packet: string) =>
    within<string>(5_000, `an answer to ${packet.slice(0, 200)}`, (resolve) => {
      waiting.set(what, resolve);
      socket.send(packet);
    });
  socket.addEventListener("message", ({ data }) => {
    const [, type, json] = /^(2$|40|43\d+)(.*)$/s.exec(String(data)) ?? [];
    if (type === "2") socket.send("3");
    else if (type !== undefined) waiting.get(type)?.(json as never);
  });
  const closed = once(socket, "close");
  await once(socket, "open");
  const connect = () => answerTo("40", "40");
  await connect();
  return {
    connect,
    async ask(json) {
      const id = ++asked;
      return JSON.parse(await answerTo(`43${id}`, `42${id}${json}`));
    },
    send: (packet) => socket.send(packet),
    closed,
  };
}
