import type { Server } from "socket.io";
import { doEach } from "../do-each.ts";
import { toLastLine } from "../time.ts";
import { type Connection, engineOf, type Transport } from "./insides.ts";

/**
 * Passes all that goes to a connection in one turn of the event loop to the operating system at once. A websocket would
 * make a system call for each packet, and those calls cost more than the rest of sending.
 */
export function corkWebsockets(io: Server): void {
  engineOf(io).on("connection", (connection) => {
    connection.on("packetCreate", cork);
  });
}

let corked: Transport[] = [];

/** Engine.IO keeps packets while the transport isn't writable. */
function cork(this: Connection): void {
  const { transport } = this;
  if (transport.name !== "websocket" || !transport.writable) return;
  transport.writable = false;
  if (corked.push(transport) === 1) setImmediate(uncork);
}

function uncork(): void {
  const transports = corked;
  corked = [];
  doEach(transports, send, toLastLine);
}

function send(transport: Transport): void {
  const tcp = transport.socket?._socket;
  tcp?.cork();
  transport.writable = true;
  transport.emit("ready");
  tcp?.uncork();
}
