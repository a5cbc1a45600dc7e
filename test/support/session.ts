// Sessions of Engine.IO that send only what a test wants, and show all that they receive.
import { setTimeout as delay } from "node:timers/promises";
import { afterTests } from "./after-tests.ts";
import { handshakePath, type Transport } from "./raw.ts";

export type RawSession = {
  id: string;
  /** Sends packets of Engine.IO's messages, such as `0` for a CONNECT. */
  send(...messages: string[]): void;
  /** All packets so far, as Engine.IO writes them. */
  received(): string[];
  /** Resolves when the service has ended the session. */
  ended: Promise<void>;
  hasEnded(): boolean;
  /** Ends it as a lost network does. */
  lose(): void;
};

const open = new Set<RawSession>();
afterTests(() => {
  for (const session of open) session.lose();
  open.clear();
});

type Options = { query?: string; headers?: Record<string, string> };

/** Begins a session. Rejects when the service refuses it. */
export async function beginSession(url: string, transport: Transport, options: Options = {}): Promise<RawSession> {
  const { query = "&protocol=2", headers = {} } = options;
  const path = `${handshakePath(transport)}${query}`;
  const session = await begin[transport](new URL(path, url), headers);
  open.add(session);
  return session;
}

const begin: Record<Transport, (url: URL, headers: Record<string, string>) => Promise<RawSession>> = {
  async websocket(url, headers) {
    url.protocol = "ws:";
    const socket = new WebSocket(url, { headers } as never);
    return watch(socket);
  },

  async polling(url, headers) {
    const first = await fetch(url, { headers });
    if (first.status !== 200) throw new Error(`${first.status}`);
    const opened = await first.text();
    const { sid: id } = JSON.parse(opened.slice(1)) as { sid: string };
    const address = `${url}&sid=${id}`;
    const received = [opened];
    let isLost = false;
    let hasEnded = false;
    const pollOn = async () => {
      while (!isLost) {
        const answer = await fetch(address, { headers });
        const body = await answer.text();
        if (answer.status !== 200) break;
        received.push(...body.split("\x1e"));
      }
      hasEnded = true;
    };
    return {
      ...{ id, received: () => received, hasEnded: () => hasEnded, ended: pollOn().catch(() => {}) },
      send: (...messages) => {
        const body = messages.map((message) => `4${message}`).join("\x1e");
        fetch(address, { method: "POST", headers, body }).catch(() => {});
      },
      lose: () => {
        isLost = true;
      },
    };
  },
};

function watch(socket: WebSocket): Promise<RawSession> {
  const received: string[] = [];
  return new Promise((resolve, reject) => {
    const ended = new Promise<void>((close) => socket.addEventListener("close", () => close()));
    socket.addEventListener("error", () => reject(new Error("refused")));
    socket.addEventListener("message", ({ data }) => {
      received.push(String(data));
      if (received.length > 1) return;
      resolve({
        id: (JSON.parse(String(data).slice(1)) as { sid: string }).sid,
        ...{ received: () => received, ended, hasEnded: () => socket.readyState === WebSocket.CLOSED },
        send: (...messages) => {
          for (const message of messages) socket.send(`4${message}`);
        },
        lose: () => socket.close(),
      });
    });
  });
}

/** Goes over from polling to a websocket, as clients do: probe, then upgrade. */
export async function upgrade(url: string, { id }: RawSession, query = "&protocol=2"): Promise<RawSession> {
  const address = new URL(`${handshakePath("websocket")}${query}&sid=${id}`, url);
  address.protocol = "ws:";
  const socket = new WebSocket(address);
  const received: string[] = [];
  socket.addEventListener("message", ({ data }) => void received.push(String(data)));
  const ended = new Promise<void>((close) => socket.addEventListener("close", () => close()));
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  socket.send("2probe");
  while (!received.includes("3probe")) await delay(10);
  socket.send("5");
  const session: RawSession = {
    ...{ id, received: () => received, ended, hasEnded: () => socket.readyState === WebSocket.CLOSED },
    send: (...messages) => {
      for (const message of messages) socket.send(`4${message}`);
    },
    lose: () => socket.close(),
  };
  open.add(session);
  return session;
}
