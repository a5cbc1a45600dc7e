import type { Server as HttpServer, IncomingMessage } from "node:http";
import type { Server } from "socket.io";
import { answerRaw } from "../net/raw-answer.ts";
import { engineOf } from "./insides.ts";

/** Some clients ask for `/socket.io`. Engine.IO takes only `/socket.io/`, or else `/socket.io-anything` as well. */
export function addMissingSlash(http: HttpServer, io: Server): void {
  const path = io.path();
  const add = (request: IncomingMessage) => {
    const { url } = request;
    if (url === path || url?.startsWith(`${path}?`)) request.url = `${path}/${url.slice(path.length)}`;
  };
  http.prependListener("request", add).prependListener("upgrade", add);
}

/**
 * Answers upgrades that nobody takes. Engine.IO would leave one for another path without an answer, and answer one that it
 * refuses without JSON.
 */
export function answerStrayUpgrades(http: HttpServer, io: Server, notFound: { status: number; body: object }): void {
  // Engine.IO decides by the same comparison.
  const own = `${io.path()}/`;
  http.on("upgrade", ({ url }, socket) => {
    if (!url?.startsWith(own)) answerRaw(socket, notFound.status, notFound.body);
  });
  engineOf(io).on("connection_error", ({ req, code, message }) => {
    // Polling has a response, and a websocket that is open can't be answered in HTTP any more.
    if (!req.res && !req.websocket) answerRaw(req.socket, 400, { code, message });
  });
}
