import type { Server } from "socket.io";
import { createRateLimit } from "../rate-limit.ts";
import { cutOff } from "./hang-up.ts";
import { engineOf, type Transport } from "./insides.ts";

/** Beside events, a client answers pings, enters, and leaves: it may send twice as many packets as events. */
const ALLOWED_FACTOR = 2;
/**
 * A client may send more at once, for example what it has kept while it was offline. Each packet beyond its allowance is
 * then refused. That takes time from all other clients, so that all connections of a process share this allowance.
 */
const EXCESS = { perSecond: 10_000, burst: 10_000 };
/** Separates the packets in the body of a client that polls (engine.io-protocol, 4). */
const SEPARATOR = "\x1e";

/**
 * Cuts off clients that send more packets than they may while the process has no time to refuse them. A body of 1 MB has
 * room for 500,000 packets, which would stop the process for seconds.
 * @param limit of a connection's events
 * @param onCutOff called before a connection is cut off
 */
export function limitPackets(
  io: Server,
  { perSecond, burst }: { perSecond: number; burst: number },
  onCutOff: () => void,
): void {
  if (perSecond === 0) return;
  const mayExceed = createRateLimit(EXCESS);
  const allowed = { perSecond: ALLOWED_FACTOR * perSecond, burst: ALLOWED_FACTOR * burst };
  const maxAtOnce = allowed.burst + EXCESS.burst;

  engineOf(io).on("connection", (connection) => {
    const isAllowed = createRateLimit(allowed);
    let isCutOff = false;
    const end = () => {
      if (isCutOff) return;
      isCutOff = true;
      onCutOff();
      cutOff(connection);
    };
    const count = () => {
      if (!isAllowed() && !mayExceed()) end();
    };
    const watch = (transport: Transport) => {
      // The connection's own event would not do: a transport reads on when its connection is closed.
      transport.on("packet", count);
      // ws answers pings by itself.
      transport.socket?.on("ping", count);
      const { onData } = transport;
      if (transport.name !== "polling" || !onData) return;
      // Engine.IO would make packets of the whole body before it passes on the first one.
      transport.onData = (body) => {
        if (isLongList(body, maxAtOnce)) end();
        else onData.call(transport, body);
      };
    };
    watch(connection.transport);
    connection.on("upgrading", watch);
  });
}

function isLongList(body: string | Buffer, max: number): boolean {
  let count = 0;
  for (let at = body.indexOf(SEPARATOR); at !== -1; at = body.indexOf(SEPARATOR, at + 1))
    if (++count >= max) return true;
  return false;
}
