// Packets that never come whole: what has come in of them is limited for all clients together.
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import { type AddressInfo, connect, type Socket as TcpSocket } from "node:net";
import { Server } from "socket.io";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createIncoming } from "../../../src/platform/engine/incoming.ts";
import { handshakePath, upgradeHeaders } from "../../support/raw.ts";

let http: HttpServer;
let server: Server;
const sockets: TcpSocket[] = [];
beforeEach(async () => {
  http = createServer().listen(0, "127.0.0.1");
  await once(http, "listening");
  server = new Server(http, { maxHttpBufferSize: 1_000_000 });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close();
});
const port = () => (http.address() as AddressInfo).port;

function open(lines: string): TcpSocket {
  const socket = connect(port(), "127.0.0.1").on("error", () => {});
  sockets.push(socket);
  socket.write(lines);
  return socket;
}

/** Sends the beginning of a text of 900,000 bytes, in one frame or in many. */
async function beginByWebsocket(bytes: number, inFragments: boolean): Promise<void> {
  const headers = Object.entries({ Host: "here", ...upgradeHeaders }).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = open(`GET ${handshakePath("websocket")} HTTP/1.1\r\n${headers.join("")}\r\n`);
  await once(socket, "data");
  const frame = (first: number, size: number) => {
    const header = Buffer.alloc(14);
    header.set([first, 0x80 | 127]);
    header.writeBigUInt64BE(BigInt(size), 2);
    return header;
  };
  if (!inFragments) socket.write(Buffer.concat([frame(0x81, 900_000), Buffer.alloc(bytes)]));
  else
    for (let sent = 0; sent < bytes; sent += 10_000)
      socket.write(Buffer.concat([frame(sent === 0 ? 0x01 : 0x00, 10_000), Buffer.alloc(10_000)]));
}

async function beginByPolling(): Promise<void> {
  const address = `http://127.0.0.1:${port()}${handshakePath("polling")}`;
  const { sid } = JSON.parse((await (await fetch(address)).text()).slice(1)) as { sid: string };
  const request = `POST ${handshakePath("polling")}&sid=${sid} HTTP/1.1\r\nHost: here\r\nContent-Length: 900000\r\n\r\n`;
  open(`${request}42["x",`);
}

test("connections with the largest parts are cut off first, at the second look, and no more than necessary", async () => {
  const cut = vi.fn();
  const incoming = createIncoming(server, cut, 1_500_000);
  await beginByWebsocket(500_000, false);
  await beginByWebsocket(400_000, true);
  await beginByWebsocket(10_000, false);
  await beginByPolling();
  const all = createIncoming(server, cut, Number.POSITIVE_INFINITY);
  await vi.waitFor(() => {
    all.relieve();
    expect(all.used()).toBeGreaterThanOrEqual(1_810_000);
  });
  expect([incoming.relieve(), incoming.relieve()]).toEqual([0, 1]);
  const [worst] = cut.mock.calls[0] as [{ transport: { name: string } }];
  expect(worst.transport.name).toBe("polling");
  expect(cut).toHaveBeenCalledTimes(1);
  expect(incoming.used()).toBeLessThanOrEqual(1_500_000);
});

test("whole packets count no more, and within the limit nobody is cut off", async () => {
  const cut = vi.fn();
  const incoming = createIncoming(server, cut, 3_000_000);
  await beginByWebsocket(500_000, false);
  await beginByWebsocket(400_000, true);
  await vi.waitFor(() => {
    incoming.relieve();
    expect(incoming.used()).toBeGreaterThan(890_000);
  });
  incoming.relieve();
  expect(cut).not.toHaveBeenCalled();
  for (const socket of sockets) socket.destroy();
  await vi.waitFor(() => {
    incoming.relieve();
    expect(incoming.used()).toBe(0);
  });
});
