import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { expect } from "vitest";
import type { ClientEventName, ServerEventName, ServerPayload } from "../../src/contract/events.ts";
import type { ChatMessage } from "../../src/contract/models.ts";
import type { Reader } from "../../src/contract/second-form.ts";
import { afterTests } from "./after-tests.ts";
import { whatIsUndocumented } from "./documented.ts";

/** Until something counts as lost. Where a promise has a time, the test itself measures it. */
const WITHIN_MS = 15_000;

export type Ack = [result: boolean, error: string | null, message?: ChatMessage];
type Received = { event: string; payload: unknown };

/** Staff of this name only mark a point in time: see `settle`. */
export const SENTINEL = "sentinel";

const open = new Set<TestClient>();

/** The problems of all received events that the contract doesn't allow. */
const undocumented: string[] = [];

/** Closes the connections that the test opened. Fails the test if a client has received anything undocumented. */
afterTests(() => {
  for (const client of open) client.close();
  open.clear();
  expect(undocumented.splice(0)).toEqual([]);
});

/** A real socket.io-client that remembers the events that it received. */
export type TestClient = {
  socket: Socket;
  isStaff: boolean;
  /** The events that the client has received since the last `forget`, in order. `enter` leaves the snapshot out. */
  received: Received[];
  /** The names of the received events. */
  names(): string[];
  forget(): void;
  /** Sends an event; resolves to the ack's arguments, exactly as they came. */
  send(event: ClientEventName | (string & {}), ...args: unknown[]): Promise<Ack>;
  /** The same, and fails the test unless it was acked true. */
  ok(event: ClientEventName, ...args: unknown[]): Promise<ChatMessage | undefined>;
  /** Resolves to the first event of this name that the client receives, or has received since the last `forget`. */
  next<E extends ServerEventName>(event: E): Promise<ServerPayload<E>>;
  /** Resolves when the client learns that this sentinel (a staff member of that name) is online. `received` has no sentinels. */
  nextSentinel(id: string): Promise<void>;
  /** Ends the connection by choice. */
  close(): void;
  /** Ends it as a lost network does. */
  lose(): void;
};

export type ConnectOptions = Partial<ManagerOptions & SocketOptions> & { headers?: Record<string, string> };

/** Connects. Rejects with the refusal that the client receives. */
export async function connect(
  url: string,
  token: string | undefined,
  options: ConnectOptions = {},
): Promise<TestClient> {
  const { headers = token === undefined ? {} : { Authorization: token }, ...others } = options;
  const socket = io(url, { extraHeaders: headers, forceNew: true, reconnection: false, ...others });
  const { auth } = socket as { auth?: { token?: string; protocol?: unknown } };
  const reader = isSecond(options) ? readerOf(token ?? auth?.token ?? "") : null;
  const received: Received[] = [];
  const sentinels: Received[] = [];
  const waiting: { event: string; resolve: (payload: never) => void }[] = [];
  socket.onAny((name: string, ...args: unknown[]) => {
    const [payload] = args;
    const problem = whatIsUndocumented(name, args, reader);
    if (problem) undocumented.push(problem);
    const sentinel = (payload as { user?: { full_name?: string; id: string } } | null)?.user;
    const isSentinel = sentinel?.full_name === SENTINEL;
    const event = isSentinel ? `${name} ${sentinel.id}` : name;
    (isSentinel ? sentinels : received).push({ event, payload });
    for (const one of waiting.filter((candidate) => candidate.event === event)) {
      waiting.splice(waiting.indexOf(one), 1);
      one.resolve(payload as never);
    }
  });
  const client: TestClient = {
    socket,
    isStaff: false,
    received,
    names: () => received.map(({ event }) => event),
    forget: () => void received.splice(0),
    send: (event, ...args) =>
      within(WITHIN_MS, `an ack of ${event}`, (resolve, reject) => {
        const fail = (reason: string) => reject(new Error(`Closed (${reason}) before an ack of ${event}`));
        socket.once("disconnect", fail);
        socket.emit(event, ...args, (...ack: Ack) => {
          socket.off("disconnect", fail);
          resolve(ack);
        });
      }),
    async ok(event, ...args) {
      const [result, error, message] = await client.send(event, ...args);
      expect({ event, result, error }).toEqual({ event, result: true, error: null });
      return message;
    },
    next: (event) =>
      within(
        WITHIN_MS,
        () => `${event} (received: ${client.names()})`,
        (resolve) => {
          const already = [...received, ...sentinels].find((one) => one.event === event);
          if (already) resolve(already.payload as never);
          else waiting.push({ event, resolve });
        },
      ),
    nextSentinel: async (id) => void (await client.next(`staff_goes_online ${id}` as ServerEventName)),
    close: () => void socket.disconnect(),
    lose: () => void socket.io.engine.close(),
  };
  open.add(client);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
  return client;
}

/** Whether these options choose protocol 2. */
const isSecond = ({ query, auth }: ConnectOptions): boolean =>
  [query?.protocol, (auth as { protocol?: unknown } | undefined)?.protocol].some((one) => String(one) === "2");

/** The kind of user that a token is for. */
function readerOf(token: string): Reader {
  const { type } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { type: Reader };
  return type;
}

/** Connects and waits for the snapshot, so that everything after it is an event of its own. */
export async function enter(
  url: string,
  token: string,
  options?: ConnectOptions,
): Promise<TestClient & { init: unknown }> {
  const client = await connect(url, token, options);
  const init = await Promise.race([client.next("staff_init"), client.next("visitor_init")]);
  client.forget();
  return Object.assign(client, { init, isStaff: "online_users" in init });
}

export function within<T>(
  ms: number,
  what: string | (() => string),
  start: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`Waited ${ms} ms for ${typeof what === "string" ? what : what()}`)),
      ms,
    );
    start(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
