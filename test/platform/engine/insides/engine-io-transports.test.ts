import { expect } from "vitest";
import { type CasesOf, eventually, sendTo, serve, testEach } from "./support.ts";

const { url, openPolling, openWebsocket } = serve();

const cases: CasesOf<
  "engine.io Transport" | "engine.io Transport event" | "engine.io Polling" | "engine.io poll" | "engine.io WebSocket"
> = {
  "engine.io Transport: name": [
    'is "polling" or "websocket"',
    async () => {
      const both = [await openPolling(), await openWebsocket()];
      expect(both.map(({ connection }) => connection.transport.name)).toEqual(["polling", "websocket"]);
    },
  ],
  "engine.io Transport: writable": [
    "makes Engine.IO keep packets while it is false",
    async () => {
      const { connection, received } = await openWebsocket();
      const { transport } = connection;
      await eventually(() => transport.writable).toBe(true);
      transport.writable = false;
      sendTo(connection, "kept");
      expect(connection.writeBuffer).toHaveLength(1);
      transport.writable = true;
      sendTo(connection, "next");
      await eventually(received).toMatch(/4kept.*4next/s);
    },
  ],
  "engine.io Transport: readyState": [
    '"closed" keeps a transport from a close frame, and from the close packet of a poll',
    async () => {
      const websocket = await openWebsocket();
      const polling = await openPolling();
      const polled = polling.poll();
      await eventually(() => polling.connection.transport.writable).toBe(true);
      const before = websocket.received();
      for (const { connection } of [websocket, polling]) {
        expect(connection.transport.readyState).toBe("open");
        connection.transport.readyState = "closed";
        connection.close();
      }
      const { transport } = polling.connection;
      const { req, res } = transport;
      transport.writable = false;
      req?.cleanup();
      res?.writeHead(400).end("by hand");
      expect(await polled).toEqual({ status: 400, body: "by hand" });
      websocket.tcp.end();
      await new Promise((resolve) => websocket.tcp.once("close", resolve));
      // ws itself closes the connection that its client has ended.
      expect(websocket.received().slice(before.length)).not.toContain("\x88");
    },
  ],
  "engine.io Transport: emit": [
    '"ready" makes Engine.IO pass on what it has kept',
    async () => {
      const { connection, received } = await openWebsocket();
      const { transport } = connection;
      await eventually(() => transport.writable).toBe(true);
      transport.writable = false;
      sendTo(connection, "kept");
      transport.writable = true;
      transport.emit("ready");
      expect(connection.writeBuffer).toEqual([]);
      await eventually(received).toContain("4kept");
    },
  ],
  "engine.io Transport event: packet": [
    "comes with each packet, also when the connection is closed",
    async () => {
      const { connection, post } = await openPolling();
      let [onConnection, onTransport] = [0, 0];
      connection.on("packet", () => {
        onConnection++;
        connection.readyState = "closed";
      });
      connection.transport.on("packet", () => onTransport++);
      await post("3a\x1e3b\x1e3c");
      expect([onConnection, onTransport]).toEqual([1, 3]);
    },
  ],
  "engine.io Polling: req": [
    "is the poll that waits for its answer",
    async () => {
      const { connection, poll } = await openPolling();
      const { transport } = connection;
      expect(transport.req ?? null).toBeNull();
      const polled = poll();
      await eventually(() => transport.req?.method).toBe("GET");
      sendTo(connection, "answer");
      expect((await polled).body).toBe("4answer");
      expect(transport.req).toBeNull();
    },
  ],
  "engine.io Polling: res": [
    "is the response to the poll that waits",
    async () => {
      const { connection, poll } = await openPolling();
      const polled = poll();
      await eventually(() => connection.transport.res?.writableEnded).toBe(false);
      const { res } = connection.transport;
      sendTo(connection, "answer");
      await polled;
      expect([res?.statusCode, res?.writableEnded, connection.transport.res]).toEqual([200, true, null]);
    },
  ],
  "engine.io Polling: dataReq": [
    "is the request whose body isn't whole",
    async () => {
      const { connection, sid, post } = await openPolling();
      const { transport } = connection;
      await post("3whole");
      expect(transport.dataReq ?? null).toBeNull();
      const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from("3begun")) });
      const aborted = new AbortController();
      const options = { method: "POST", body, duplex: "half", signal: aborted.signal } as RequestInit;
      const posted = fetch(`${url()}/socket.io/?EIO=4&transport=polling&sid=${sid}`, options).catch(() => {});
      await eventually(() => transport.dataReq?.method).toBe("POST");
      aborted.abort();
      await posted;
      await eventually(() => transport.dataReq).toBeNull();
    },
  ],
  "engine.io Polling: onData": [
    "takes each whole body, also when it is an own property",
    async () => {
      const { connection, post } = await openPolling();
      const { transport } = connection;
      const packets: unknown[] = [];
      connection.on("packet", ({ data }) => void packets.push(data));
      const bodies: unknown[] = [];
      const { onData } = transport;
      transport.onData = (body) => {
        bodies.push(body);
        onData?.call(transport, body);
      };
      await post("3a\x1e3b");
      expect([bodies, packets]).toEqual([["3a\x1e3b"], ["a", "b"]]);
    },
  ],
  "engine.io Polling: maxHttpBufferSize": [
    "is the most bytes of a body",
    async () => {
      const { connection, post } = await openPolling();
      const { transport } = connection;
      expect(transport.maxHttpBufferSize).toBe(1_000_000);
      transport.maxHttpBufferSize = 100;
      expect(await post(`3${"a".repeat(99)}`)).toBe(200);
      expect(await post(`3${"a".repeat(100)}`)).toBe(413);
      expect(connection.readyState).toBe("open");
    },
  ],
  "engine.io poll: cleanup": [
    "takes the poll from the transport, so that it can be answered by hand",
    async () => {
      const { connection, poll } = await openPolling();
      const { transport } = connection;
      const polled = poll();
      await eventually(() => transport.writable).toBe(true);
      const { req, res } = transport;
      transport.writable = false;
      req?.cleanup();
      expect([transport.req, transport.res]).toEqual([null, null]);
      res?.writeHead(400).end("by hand");
      expect(await polled).toEqual({ status: 400, body: "by hand" });
      expect(connection.readyState).toBe("open");
    },
  ],
  "engine.io WebSocket: socket": [
    "is the websocket of ws",
    async () => {
      const { connection, tcp } = await openWebsocket();
      const { socket: websocket } = connection.transport;
      expect(websocket?.bufferedAmount).toBe(0);
      websocket?.terminate();
      await new Promise((resolve) => tcp.once("close", resolve));
    },
  ],
};
testEach(cases);
