// The libraries alone, with nothing of this service, and clients that send what they are given.
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket as TcpSocket } from "node:net";
import { Server, type ServerOptions, type Socket } from "socket.io";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Connection, engineOf, type Insides } from "../../../../src/platform/engine/insides.ts";
import { handshakePath, upgradeHeaders } from "../../../support/raw.ts";

type EntryOf<Owner extends keyof Insides> = {
  [One in Owner]: `${One}: ${Extract<keyof Insides[One], string>}`;
}[Owner];
type Case = [does: string, check: () => Promise<void>];
/** One case for each entry of these types of `Insides`: the compiler refuses a missing one. */
export type CasesOf<Owner extends keyof Insides> = Record<EntryOf<Owner>, Case>;

/** Runs each case as a test that has its entry's name. */
export function testEach(cases: Record<string, Case>): void {
  for (const [entry, [does, check]] of Object.entries(cases)) test(`${entry} ${does}`, { timeout: 15_000 }, check);
}

/** Looks again until it is true, or 10 s have passed. */
export const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 10_000 });

export type Libraries = ReturnType<typeof serve>;
export type RawWebsocket = Awaited<ReturnType<Libraries["openWebsocket"]>>;

export function serve(options: Partial<ServerOptions> = {}) {
  const http = createServer();
  const io = new Server(http, options);
  const opened: TcpSocket[] = [];
  beforeAll(() => once(http.listen(0, "127.0.0.1"), "listening"));
  afterAll(async () => {
    for (const one of opened) one.destroy();
    await io.close();
  });
  const port = () => (http.address() as AddressInfo).port;
  const url = () => `http://127.0.0.1:${port()}`;
  const nextConnection = () => new Promise<Connection>((resolve) => engineOf(io).once("connection", resolve));

  /** Asks for a websocket and answers what the server says, whatever that is. */
  async function askForWebsocket(path: string) {
    const tcp = connect(port(), "127.0.0.1").on("error", () => {});
    opened.push(tcp);
    const headers = Object.entries({ Host: "here", ...upgradeHeaders }).map(([name, value]) => `${name}: ${value}\r\n`);
    tcp.write(`GET ${path} HTTP/1.1\r\n${headers.join("")}\r\n`);
    let received = "";
    tcp.setEncoding("latin1").on("data", (text: string) => {
      received += text;
    });
    await eventually(() => received).toContain("\r\n\r\n");
    return {
      tcp,
      /** All that the server has sent, frames included. */
      received: () => received,
      send: (...texts: string[]) => void tcp.write(Buffer.concat(texts.map((text) => frame(text)))),
    };
  }

  return {
    ...{ io, url, nextConnection, askForWebsocket },
    engine: engineOf(io),
    async openWebsocket() {
      const connected = nextConnection();
      const client = await askForWebsocket(handshakePath("websocket"));
      return { ...client, connection: await connected };
    },
    async openPolling() {
      const connected = nextConnection();
      const address = `${url()}${handshakePath("polling")}`;
      const { sid } = JSON.parse((await (await fetch(address)).text()).slice(1)) as { sid: string };
      const path = `${handshakePath("polling")}&sid=${sid}`;
      return {
        ...{ sid, connection: await connected },
        poll: async () => {
          const response = await fetch(url() + path);
          return { status: response.status, body: await response.text() };
        },
        post: async (body: string) => (await fetch(url() + path, { method: "POST", body })).status,
        /** Probes a websocket, as a client does that goes over to it. */
        probe: async () => {
          const client = await askForWebsocket(`${handshakePath("websocket")}&sid=${sid}`);
          client.send("2probe");
          await eventually(client.received).toContain("3probe");
          return client;
        },
      };
    },
    /** Enters the namespace on an open connection. */
    async enter({ send }: { send: (text: string) => unknown }): Promise<Socket> {
      const entered = once(io, "connection");
      send("40");
      const [socket] = (await entered) as [Socket];
      return socket;
    },
  };
}

/** Sends a message to a client below Socket.IO, by Engine.IO's documented method. */
export const sendTo = (connection: Connection, text: string, options = {}): void =>
  void (connection as unknown as { send(text: string, options: object): void }).send(text, options);

/** A frame of a client's with the mask 0 (RFC 6455, 5.2). */
export function frame(content: string, { first = FINAL_TEXT, length = content.length } = {}): Buffer {
  const header = Buffer.alloc(14);
  header.set([first, MASKED | 127]);
  header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, Buffer.from(content, "latin1")]);
}
const FINAL_TEXT = 0x81;
const MASKED = 0x80;
/** The first byte of a text whose frames go on, and of those. */
export const UNFINISHED_TEXT = 0x01;
export const PING = 0x89;
