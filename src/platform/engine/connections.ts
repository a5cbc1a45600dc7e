import type { Socket } from "socket.io";
import { connectionOf } from "./insides.ts";

/** The same object for all sockets that a connection ever has, one after the other. */
export const connectionKey = (socket: Socket): object => connectionOf(socket);

/** Whether packets still come in and go out. */
export const isOpen = (socket: Socket): boolean => connectionOf(socket).readyState === "open";

export const onceClosed = (socket: Socket, listener: () => void): void =>
  void connectionOf(socket).once("close", listener);

/** At the moment: a connection that begins by polling goes over to a websocket. */
export const transportOf = (socket: Socket): "websocket" | "polling" =>
  connectionOf(socket).transport.name === "websocket" ? "websocket" : "polling";

const NOTHING = Object.freeze({ headers: {}, query: {}, auth: {} });

/** Frees a third of a connection's memory, which lives for hours: its handshake, which nobody needs any more. */
export function forgetRequest(socket: Socket): void {
  connectionOf(socket).request = null;
  Object.assign(socket, { handshake: NOTHING });
}
