import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { within } from "../client.ts";
import { handshakePath, openWebSocket, upgradeHeaders } from "../raw.ts";

/** Connects by websocket, enters, and reads nothing from then on. */
export async function connectStalled(url: string, token: string): Promise<Socket> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname).on("error", () => {});
  const headers = { Host: host, Authorization: token, ...upgradeHeaders };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${handshakePath("websocket")} HTTP/1.1\r\n${lines.join("")}\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.pause();
  if (!answer.toString("latin1").startsWith("HTTP/1.1 101")) throw new Error(`${answer}`);
  socket.write(masked("40"));
  return socket;
}

/** Connects by polling, enters, and polls no more. */
export async function connectUnpolled(url: string, token: string): Promise<void> {
  const headers = { Authorization: token };
  const address = `${url}${handshakePath("polling")}`;
  const { sid } = JSON.parse((await (await fetch(address, { headers })).text()).slice(1)) as { sid: string };
  await (await fetch(`${address}&sid=${sid}`, { method: "POST", headers, body: "40" })).text();
}

/** Connects by polling, enters, asks for what there is, and reads nothing of the answer. */
export async function connectStalledPolling(url: string, token: string): Promise<Socket> {
  const headers = { Authorization: token };
  const address = `${url}${handshakePath("polling")}`;
  const { sid } = JSON.parse((await (await fetch(address, { headers })).text()).slice(1)) as { sid: string };
  await (await fetch(`${address}&sid=${sid}`, { method: "POST", headers, body: "40" })).text();
  await (await fetch(`${address}&sid=${sid}`, { headers })).text();
  return askAndDontRead(url, `${handshakePath("polling")}&sid=${sid}`, token);
}

/** Makes a request, and reads nothing of the answer. */
export function askAndDontRead(url: string, path: string, token: string): Socket {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname).on("error", () => {});
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${token}\r\n\r\n`);
  return socket;
}

/** Connects by websocket and resolves to its snapshot's text, when it is there; closes the connection with `close`. */
export async function connectReader(url: string, token: string): Promise<{ init: string; close(): void }> {
  const socket = openWebSocket(url, token);
  const init = within<string>(60_000, "a snapshot", (resolve, reject) => {
    socket.addEventListener("close", () => reject(new Error("closed before its snapshot came")));
    socket.addEventListener("error", () => reject(new Error("refused")));
    socket.addEventListener("message", ({ data }) => {
      const text = String(data);
      if (text === "2") socket.send("3");
      if (/^42\["(staff|visitor)_init"/.test(text)) resolve(text);
    });
  });
  socket.addEventListener("open", () => socket.send("40"));
  return { init: await init, close: () => socket.close() };
}

/** A client's text frame of less than 126 bytes (RFC 6455, 5.2). */
function masked(text: string): Buffer {
  const mask = randomBytes(4);
  const payload = Buffer.from(text).map((byte, n) => byte ^ (mask[n % 4] as number));
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, payload]);
}
