// A plain Socket.IO server, to compare connections with: it checks a token, joins the user's rooms, and does nothing else.
import { createServer, type IncomingMessage } from "node:http";
import { createVerifier } from "fast-jwt";
import { Server } from "socket.io";

const { PORT, JWT_SECRET } = process.env as Record<"PORT" | "JWT_SECRET", string>;
type Claims = { sub: string; type: "staff" | "visitor" };
type Handshake = IncomingMessage & { _query: { sid?: string }; claims: Claims };

const verify = createVerifier({ key: JWT_SECRET, algorithms: ["HS256"] });
const http = createServer((_, response) => response.end("ok"));
const io = new Server(http, { serveClient: false });
io.engine.use((request: Handshake, _response: unknown, next: (error?: unknown) => void) => {
  try {
    if (!request._query.sid) request.claims = verify(request.headers.authorization ?? "");
    next();
  } catch (error) {
    next(error);
  }
});
io.on("connection", (socket) => {
  const { sub, type } = (socket.request as Handshake).claims;
  socket.join(type === "staff" ? [`staff:${sub}`, "org", "org:staff"] : [`visitor:${sub}`, "org"]);
});
http.listen(Number(PORT), "127.0.0.1");
