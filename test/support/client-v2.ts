import { serverEvents } from "../../src/contract/events.ts";
import { afterTests } from "./after-tests.ts";
import { type Ack, type TestClient, within } from "./client.ts";

// The library confuses Node's own WebSocket with a browser's, and then sends no headers. Without a global WebSocket it uses `ws`.
const { WebSocket } = globalThis;
Reflect.deleteProperty(globalThis, "WebSocket");
const { default: io } = await import("socket.io-client-v2");
globalThis.WebSocket = WebSocket;

const open = new Set<{ close(): void }>();

afterTests(() => {
  for (const socket of open) socket.close();
  open.clear();
});

/** The part of a client that a conversation uses. `next` returns each received event once. */
export type Speaker = Pick<TestClient, "send" | "next">;

/** Connects as a page with the library's version 2 does. Rejects with the refusal that the client receives. */
export async function connectV2(
  url: string,
  token: string | undefined,
  transports: string[],
  options: object = {},
): Promise<Speaker> {
  const socket = io(url, {
    ...{ forceNew: true, reconnection: false, transports, ...options },
    extraHeaders: token === undefined ? {} : { Authorization: token },
  });
  open.add(socket);
  const received: { event: string; payload: unknown }[] = [];
  const waiting = new Map<string, () => void>();
  for (const event of Object.keys(serverEvents)) {
    socket.on(event, (payload: unknown) => {
      received.push({ event, payload });
      waiting.get(event)?.();
    });
  }
  await new Promise<void>((resolve, reject) => {
    socket.on("connect", resolve);
    socket.on("connect_error", reject);
    socket.on("error", reject);
  });
  return {
    send: (event, ...args) =>
      within(5_000, `an ack of ${event}`, (resolve) => socket.emit(event, ...args, (...ack: Ack) => resolve(ack))),
    async next(event) {
      const index = () => received.findIndex((one) => one.event === event);
      if (index() < 0) await within<void>(5_000, event, (resolve) => void waiting.set(event, resolve));
      return received.splice(index(), 1)[0]?.payload as never;
    },
  };
}
