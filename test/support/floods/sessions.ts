// A thread that asks for sessions without a token, faster than a process accepts connections.
import { connect, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";

export type SessionFlood = {
  url: string;
  /** How many addresses they come from. */
  addresses: number;
  count: number;
  transport: "polling" | "websocket";
  /** The packet that each websocket sends. */
  packet: keyof typeof packets;
};

// Not from ../raw.ts, which a thread can't load: it closes its connections after tests.
const pathOf = (by: SessionFlood["transport"]) => `/socket.io/?EIO=4&transport=${by}`;
const upgradeHeaders = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** A masked text frame of at least 126 bytes (RFC 6455, 5.2). */
function frame(text: string): Buffer {
  const header = Buffer.alloc(8);
  header.set([0x81, 0x80 | 126]);
  header.writeUInt16BE(text.length, 2);
  return Buffer.concat([header, Buffer.from(text)]);
}

const packets = {
  nothing: Buffer.alloc(0),
  "a bad token": frame(`40${JSON.stringify({ token: "x".repeat(10_000) })}`),
  "most of a packet": frame("x".repeat(16_000)).subarray(0, 15_000),
};

const { url, addresses, count, transport, packet } = workerData as SessionFlood;
const { hostname, port, host } = new URL(url);
const sockets: Socket[] = [];

function begin(n: number): void {
  const address = `198.51.${(n % addresses) >> 8}.${(n % addresses) & 255}`;
  const socket = connect(Number(port), hostname).on("error", () => {});
  sockets.push(socket);
  const headers = { Host: host, "X-Forwarded-For": address, ...(transport === "websocket" && upgradeHeaders) };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${pathOf(transport)}&protocol=2 HTTP/1.1\r\n${lines.join("")}\r\n`);
  socket.once("data", (answer) => {
    socket.write(packets[packet]);
    const sid = /"sid":"([^"]+)"/.exec(String(answer))?.[1];
    // The poll waits for its answer.
    if (transport === "polling" && sid)
      socket.write(`GET ${pathOf(transport)}&sid=${sid} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  });
}

let n = 0;
const timer = setInterval(() => {
  for (let more = 0; more < 40 && n < count; more++) begin(n++);
  if (n < count) return;
  clearInterval(timer);
  parentPort?.postMessage("done");
}, 50);
