import type { Server, Socket } from "socket.io";
import { createRateLimit } from "../rate-limit.ts";

type Connection = Socket["conn"];
type Transport = {
  name: string;
  on(event: "packet", listener: () => void): void;
  onData(data: string | Buffer): void;
  socket?: { on(event: "ping", listener: () => void): void };
};

/** Beside events, a client answers pings, enters, and leaves: it may send twice as many packets as events. */
const ALLOWED_FACTOR = 2;
/**
 * What is more is refused, packet by packet, for a client that sends at once what it has kept while it was offline, or
 * tries again at each refusal. Nobody else is served while one is refused: all connections of a process share this.
 */
const EXCESS = { perSecond: 10_000, burst: 10_000 };
/** What separates the packets in the body of a client that polls (engine.io-protocol, 4). */
const SEPARATOR = "\x1e";

/**
 * Cuts off clients that send more packets than they may while the process has no time to refuse them: a body of 1 MB has
 * room for 500,000, which would stop it for seconds.
 * @param limit of a connection's events
 */
export function limitPackets(
  io: Server,
  { perSecond, burst }: { perSecond: number; burst: number },
  cutOff: (conn: Connection) => void,
): void {
  if (perSecond === 0) return;
  const mayExceed = createRateLimit(EXCESS);
  const allowed = { perSecond: ALLOWED_FACTOR * perSecond, burst: ALLOWED_FACTOR * burst };
  const maxAtOnce = allowed.burst + EXCESS.burst;

  io.engine.on("connection", (conn: Connection) => {
    const isAllowed = createRateLimit(allowed);
    let isCutOff = false;
    const end = () => {
      if (!isCutOff) cutOff(conn);
      isCutOff = true;
    };
    const count = () => {
      if (!isAllowed() && !mayExceed()) end();
    };
    const watch = (transport: Transport) => {
      // Not on the connection: a transport goes on to read when its connection is closed already.
      transport.on("packet", count);
      // `ws` answers pings itself.
      transport.socket?.on("ping", count);
      if (transport.name !== "polling") return;
      const take = transport.onData.bind(transport);
      // Engine.IO would make packets of all before it hands on the first.
      transport.onData = (data) => (isLongList(data, maxAtOnce) ? end() : take(data));
    };
    watch(conn.transport as unknown as Transport);
    conn.on("upgrading", watch as never);
  });
}

function isLongList(data: string | Buffer, max: number): boolean {
  let count = 0;
  for (let at = data.indexOf(SEPARATOR); at !== -1; at = data.indexOf(SEPARATOR, at + 1))
    if (++count >= max) return true;
  return false;
}
