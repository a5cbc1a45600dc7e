import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { takenBySystem } from "../../../src/platform/net/taken.ts";

test("Node's TCP handle shows in bytesWritten and writeQueueSize how many bytes of a write the system has accepted", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = once(server, "connection");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1").pause();
  const [socket] = (await accepted) as [Socket];
  expect(takenBySystem(socket)).toBe(0);
  const size = 50_000_000;
  socket.write(Buffer.alloc(size));
  // The system's buffers accept a part of it, and no more while the client doesn't read.
  await expect.poll(() => takenBySystem(socket)).toBeGreaterThan(0);
  expect(takenBySystem(socket)).toBeLessThan(size);
  client.resume();
  await expect.poll(() => takenBySystem(socket), { timeout: 10_000 }).toBe(size);
  socket.destroy();
  expect(takenBySystem(socket)).toBeNull();
  client.destroy();
  server.close();
});
