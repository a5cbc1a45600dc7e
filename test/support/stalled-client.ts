import { once } from "node:events";
import { connect } from "node:net";
import { afterTests } from "./after-tests.ts";
import { within } from "./client.ts";
import { handshakePath, upgradeHeaders } from "./raw.ts";

const CLOSE = 8;
const open = new Set<{ destroy(): void }>();

afterTests(() => {
  for (const socket of open) socket.destroy();
  open.clear();
});

/**
 * A websocket such as OkHttp's, which Socket.IO's Java client uses. After a close frame it reads nothing more. It reports
 * nothing to the application until the application closes its own side as well.
 */
export type StalledClient = {
  /** Resolves when the client receives a message that contains this text. */
  receives(text: string): Promise<void>;
  /** Resolves when the client notices that its connection has ended. */
  lost: Promise<void>;
};

export async function connectStalled(url: string, token: string): Promise<StalledClient> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  open.add(socket);
  const headers = Object.entries({ Host: hostname, Authorization: token, ...upgradeHeaders });
  socket.write(
    `GET ${handshakePath("websocket")} HTTP/1.1\r\n${headers.map((one) => one.join(": ")).join("\r\n")}\r\n\r\n`,
  );
  let received = "";
  let isStalled = false;
  let rest = Buffer.alloc(0);
  let isOpen = false;
  const noticed = Promise.withResolvers<void>();
  socket.on("data", (chunk: Buffer) => {
    if (isStalled) return;
    rest = Buffer.concat([rest, chunk]);
    if (!isOpen) {
      const end = rest.indexOf("\r\n\r\n");
      if (end === -1) return;
      isOpen = true;
      rest = rest.subarray(end + 4);
      // Asks for the namespace.
      socket.write(masked("40"));
    }
    for (let frame = readFrame(rest); frame; frame = readFrame(rest)) {
      rest = rest.subarray(frame.size);
      if (frame.opcode === CLOSE) isStalled = true;
      if (isStalled) return;
      received += frame.text;
      socket.emit("received");
    }
  });
  socket.on("error", () => {});
  socket.on("end", () => {
    if (!isStalled) noticed.resolve();
  });
  const receives = (text: string) =>
    within<void>(10_000, text, (resolve) => {
      const look = () => received.includes(text) && resolve();
      socket.on("received", look);
      look();
    });
  await once(socket, "connect");
  await receives("_init");
  return { receives, lost: within(10_000, "the end of the connection", (resolve) => noticed.promise.then(resolve)) };
}

/** Reads a server's frame, which is unmasked (RFC 6455, 5.2). */
function readFrame(bytes: Buffer): { opcode: number; text: string; size: number } | null {
  if (bytes.length < 2) return null;
  const short = bytes.readUInt8(1);
  const header = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < header) return null;
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const size = header + length;
  if (bytes.length < size) return null;
  return { opcode: bytes.readUInt8(0) & 0x0f, text: bytes.toString("utf8", header, size), size };
}

/** A short text with the mask 0. */
const masked = (text: string) => Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0, ...Buffer.from(text)]);
