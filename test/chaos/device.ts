import type { Socket as TcpSocket } from "node:net";
import { io } from "socket.io-client";
import type { ChatMessage } from "../../src/contract/models.ts";
import type { Ending, Ledger } from "./ledger.ts";
import { noteOf } from "./received.ts";

/** `ok` is null when there was no answer. */
export type Answer = { ok: boolean | null; why: string | null; message?: ChatMessage | undefined };

/** The subject of an attempt, for the ledger. */
export type About = { id?: string; chat?: string; content?: string; severity?: number };

/** A tab or an app, which connects again by itself, to another pod if need be. */
export type Tab = {
  /** It has its snapshot. */
  isOpen(): boolean;
  /** It will never connect again. */
  hasEnded(): boolean;
  /** Resolves when it has its snapshot, or will never have one. */
  opened(): Promise<void>;
  /** Loses the connection as a closed tab or a lost network does, and connects again after a while. */
  reload(afterMs: number): void;
  /** Loses the connection, and connects again only by `comeBack`. */
  vanish(): void;
  comeBack(): void;
  /** Ends the connection by choice. */
  leave(): void;
  /** Reads nothing for a while; a polling client can't do that. */
  stopReading(ms: number): void;
};

/** One real socket.io-client. */
export type Device = Tab & {
  /** Sends something once. */
  ask(event: string, args: unknown[], about: About): Promise<Answer>;
};

export type Network = {
  /** Where to connect next, as a load balancer would choose. */
  pick(): string;
  nameOf(url: string): string;
  ledger: Ledger;
  /** Each notes what a person sees now, who uses the client library. */
  screens: Set<() => void>;
};

export type DeviceOptions = {
  client: string;
  user: string;
  token: string;
  transports: string[];
  network: Network;
  /** In no hurry to be back, as the library is by default; else it tries again soon and often. */
  isPatient?: boolean;
  onEvent: (event: string, payload: never) => void;
};

const ACK_MS = 5_000;
const hurry = { timeout: 4_000, reconnectionDelay: 200, reconnectionDelayMax: 1_000 };
const patience = { timeout: 20_000, reconnectionDelay: 1_000, reconnectionDelayMax: 5_000 };

/** As much of the library's insides as is needed to do what a network does. */
type Inside = { uri: string; engine?: { transport?: { ws?: { _socket?: TcpSocket; terminate(): void } } } };

export function openDevice(options: DeviceOptions): Device {
  const { client, user, token, transports, network, isPatient = false, onEvent } = options;
  const { ledger } = network;
  const pace = isPatient ? patience : hurry;
  const socket = io(network.pick(), {
    ...{ forceNew: true, extraHeaders: { Authorization: token }, transports, ...pace },
  });
  const inside = socket.io as unknown as Inside;
  let connections = 0;
  let asks = 0;
  let connection = "";
  let isConnected = false;
  let hasSnapshot = false;
  let ending: Ending = "dropped";
  let returns = true;
  let pause: (() => void) | null = null;
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };

  socket.io.on("reconnect_attempt", () => {
    inside.uri = network.pick();
  });
  socket.on("connect", () => {
    connection = `${client}#${++connections}`;
    isConnected = true;
    ending = "dropped";
    socket.io.reconnectionDelay(pace.reconnectionDelay);
    const pod = network.nameOf(inside.uri);
    ledger.note({ kind: "connected", connection, client, user, pod, transports: transports.join() });
  });
  socket.on("disconnect", (reason) => {
    // The library says so as well when a connection came to nothing.
    if (!isConnected) return;
    isConnected = false;
    hasSnapshot = false;
    pause?.();
    // The library stays away for good when the server says so.
    if (reason === "io server disconnect") returns = false;
    ledger.note({ kind: "disconnected", connection, why: ending, reason, returns });
    if (!returns) wake();
  });
  socket.onAny((event: string, payload: unknown) => {
    ledger.note(noteOf(connection, event, payload));
    if (event.endsWith("_init")) {
      hasSnapshot = true;
      wake();
    }
    onEvent(event, payload as never);
  });

  function lose(): void {
    ending = "script";
    const ws = inside.engine?.transport?.ws;
    // A lost network sends no closing packet.
    if (ws) ws.terminate();
    else socket.io.engine?.close();
  }

  function giveUp(): void {
    ledger.note({ kind: "gave up", client });
    socket.disconnect();
  }

  return {
    isOpen: () => hasSnapshot,
    hasEnded: () => !returns,
    async opened() {
      if (!hasSnapshot && returns) await new Promise<void>((resolve) => waiting.add(resolve));
    },
    async ask(event, args, about) {
      const ask = `${connection}/${++asks}`;
      ledger.note({ kind: "asked", ask, connection, event, ...about });
      const [lost, ok, why, message] = await new Promise<[Error | null, boolean, string | null, ChatMessage?]>(
        (resolve) => socket.timeout(ACK_MS).emit(event, ...args, (...answer: never) => resolve(answer)),
      );
      const stored = message && { chat: message.chat_id, number: message.sequence_num };
      if (lost) ledger.note({ kind: "answered", ask, ok: null, why: lost.message });
      else ledger.note({ kind: "answered", ask, ok, why, ...stored });
      return lost ? { ok: null, why: lost.message } : { ok, why, message };
    },
    reload(afterMs) {
      if (!socket.connected) return;
      socket.io.reconnectionDelay(afterMs);
      lose();
    },
    vanish() {
      returns = false;
      socket.io.reconnection(false);
      if (socket.connected) lose();
      else giveUp();
      wake();
    },
    comeBack() {
      returns = true;
      socket.io.reconnection(true);
      inside.uri = network.pick();
      socket.connect();
    },
    leave() {
      returns = false;
      ending = "choice";
      if (socket.connected) socket.disconnect();
      else giveUp();
      wake();
    },
    stopReading(ms) {
      const tcp = inside.engine?.transport?.ws?._socket;
      if (!tcp || !socket.connected || pause) return;
      const from = Date.now();
      const name = connection;
      const resume = () => {
        clearTimeout(timer);
        pause = null;
        tcp.resume();
        ledger.note({ kind: "paused", t: from, connection: name, end: Date.now() });
      };
      const timer = setTimeout(resume, ms);
      pause = resume;
      tcp.pause();
    },
  };
}
