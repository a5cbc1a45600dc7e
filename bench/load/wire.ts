// Socket.IO over a websocket by hand: no more work than it takes, so that the servers are the bottleneck.
import { connect } from "node:net";

export type Wire = { write(frames: Buffer): void; close(): void };

/** `data` from `start` to `end` is one packet of Socket.IO, such as `42["event",{}]`; it is only lent. */
export type OnPacket = (data: Buffer, start: number, end: number) => void;

export type WireOptions = { url: string; token: string; onPacket: OnPacket; onLost: (why: Error) => void };

const CONNECT_WITHIN_MS = 30_000;
const [OPEN, PING, MESSAGE, CONNECTED, CONNECT_ERROR] = ["0", "2", "4", "0", "4"].map((one) => one.charCodeAt(0));
const TEXT_FRAME = 0x81;

/** A text frame as a client sends it. Its mask is 0, which changes nothing. */
export function frame(text: string): Buffer {
  const payload = Buffer.from(text);
  const length =
    payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from([TEXT_FRAME, ...length, 0, 0, 0, 0]), payload]);
}

/** Resolves when the connection to the namespace is there. */
export function connectWire({ url, token, onPacket, onLost }: WireOptions): Promise<Wire> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  socket.write(
    `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: ${token}\r\n` +
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  return new Promise((resolve, reject) => {
    let isClosed = false;
    const fail = (why: string) => {
      if (isClosed) return;
      isClosed = true;
      socket.destroy();
      clearTimeout(timer);
      const error = new Error(`${url}: ${why}`);
      reject(error);
      onLost(error);
    };
    const timer = setTimeout(() => fail("no connection in time"), CONNECT_WITHIN_MS);
    const wire: Wire = {
      write: (frames) => void socket.write(frames),
      close() {
        isClosed = true;
        socket.destroy();
      },
    };

    const take: OnPacket = (data, start, end) => {
      const type = data[start];
      if (type === MESSAGE) {
        if (data[start + 1] === CONNECTED) {
          clearTimeout(timer);
          resolve(wire);
        } else if (data[start + 1] === CONNECT_ERROR) fail(data.toString("utf8", start, end));
        else onPacket(data, start, end);
      } else if (type === PING) socket.write(frame("3"));
      else if (type === OPEN) socket.write(frame("40"));
    };
    let isUpgraded = false;
    let rest: Buffer | null = null;
    socket.on("data", (chunk) => {
      let data: Buffer = rest ? Buffer.concat([rest, chunk]) : chunk;
      rest = null;
      if (!isUpgraded) {
        const end = data.indexOf("\r\n\r\n");
        if (end === -1) rest = data;
        else if (!data.subarray(0, 12).equals(Buffer.from("HTTP/1.1 101"))) fail(data.toString());
        else isUpgraded = true;
        if (!isUpgraded) return;
        data = data.subarray(end + 4);
      }
      const used = takeFrames(data, take, fail);
      if (used < data.length) rest = data.subarray(used);
    });
    socket.on("error", ({ message }) => fail(message));
    socket.on("close", () => fail("the server closed the connection"));
  });
}

/** Hands over each whole frame; answers where the rest begins. */
function takeFrames(data: Buffer, take: OnPacket, fail: (why: string) => void): number {
  let at = 0;
  while (at + 2 <= data.length) {
    let length = data[at + 1] as number;
    let start = at + 2;
    if (length === 126) {
      if (start + 2 > data.length) break;
      length = data.readUInt16BE(start);
      start += 2;
    } else if (length === 127) {
      if (start + 8 > data.length) break;
      length = Number(data.readBigUInt64BE(start));
      start += 8;
    }
    const end = start + length;
    if (end > data.length) break;
    if (data[at] === TEXT_FRAME) take(data, start, end);
    else fail(`an unexpected frame (${data[at]?.toString(16)})`);
    at = end;
  }
  return at;
}
