// Connections that only come and stay. They receive frames of any size, and keep none of the contents.
import { connect, type Socket } from "node:net";
import { frame } from "./wire.ts";

/** A connection has arrived when it is in the namespace, or when its first event, the snapshot, is complete. */
export type Until = "joined" | "snapshot";
export type Arrival = { arrived: Promise<void>; close(): void };

const WITHIN_MS = 120_000;
const [PING, JOIN] = [frame("3"), frame("40")];
const received = Buffer.alloc(1 << 20);

export function arrive(url: string, token: string, until: Until): Arrival {
  const { hostname, port } = new URL(url);
  const { promise: arrived, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`${url}: not ${until} in time`)), WITHIN_MS);
  const onPacket = (begin: string) => {
    if (begin.startsWith("0")) socket.write(JOIN);
    else if (begin.startsWith("2")) socket.write(PING);
    else if (begin.startsWith(until === "joined" ? "40" : "42")) {
      clearTimeout(timer);
      resolve();
    }
  };
  const take = takeFrames(onPacket, reject);
  const socket: Socket = connect({
    ...{ host: hostname, port: Number(port), noDelay: true },
    onread: {
      buffer: received,
      callback: (size, data) => {
        take(data as Buffer, size);
        return true;
      },
    },
  });
  socket.on("error", reject);
  socket.on("close", () => reject(new Error(`${url}: the server closed the connection`)));
  socket.write(
    `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: ${token}\r\n` +
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  // Nobody needs to know of a connection that is lost after its arrival.
  arrived.catch(() => clearTimeout(timer));
  return { arrived, close: () => void socket.destroy() };
}

/** Connects all tokens, 50 at a time. */
export async function arriveAll(urlOf: (n: number) => string, tokens: string[], until: Until): Promise<Arrival[]> {
  const all: Arrival[] = [];
  const next = tokens.entries();
  const some = async () => {
    for (const [n, token] of next) {
      const arrival = arrive(urlOf(n), token, until);
      all.push(arrival);
      await arrival.arrived;
    }
  };
  await Promise.all(Array.from({ length: 50 }, some));
  return all;
}

/** Calls `onPacket` with the beginning of each text frame, when the frame is complete. Only the beginning is kept. */
function takeFrames(onPacket: (begin: string) => void, onRefused: (why: Error) => void) {
  let head = "";
  let isUpgraded = false;
  const begin = Buffer.alloc(16);
  let kept = 0;
  /** Bytes of the payload that are still missing; null between two frames. */
  let left: number | null = null;

  const headerLength = () => (kept < 2 ? 2 : ({ 126: 4, 127: 10 }[begin[1] as number] ?? 2));
  const payloadLength = (header: number) => {
    if (header === 2) return begin[1] as number;
    return header === 4 ? begin.readUInt16BE(2) : Number(begin.readBigUInt64BE(2));
  };

  return (data: Buffer, size: number): void => {
    let at = 0;
    if (!isUpgraded) {
      const before = head.length;
      head += data.toString("latin1", 0, size);
      const end = head.indexOf("\r\n\r\n");
      if (end === -1) return;
      if (!head.startsWith("HTTP/1.1 101")) {
        onRefused(new Error(head));
        return;
      }
      isUpgraded = true;
      at = end + 4 - before;
      head = "";
    }
    while (at < size) {
      if (left === null) {
        begin[kept++] = data[at++] as number;
        if (kept < headerLength()) continue;
        left = payloadLength(headerLength());
      }
      const taken: number = Math.min(left, size - at);
      if (kept < begin.length) kept += data.copy(begin, kept, at, at + Math.min(taken, begin.length - kept));
      left -= taken;
      at += taken;
      if (left > 0) return;
      onPacket(begin.toString("latin1", headerLength(), kept));
      left = null;
      kept = 0;
    }
  };
}
