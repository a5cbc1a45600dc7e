import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { PassThrough, Transform } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";

/** A connection on which the client has ever said `ifSaid` takes `ms` for whatever it says. */
type Slow = { ms: number; ifSaid: RegExp };

/**
 * A way to a database or a Redis that can be closed, connections included, and opened again.
 * @param listen makes, for each connection, what is called with all that the client says on it
 */
export async function wayTo(target: string, slow?: Slow, listen: () => (chunk: Buffer) => void = () => () => {}) {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  /** From the server's side of each connection to what the client has said on it. */
  const said = new Map<Socket, { socket: Socket; text: string }>();
  const server = createServer((socket) => {
    const onward = connect(Number(port || 5432), hostname);
    for (const one of [socket, onward]) {
      sockets.add(one);
      one.on("error", () => {}).on("close", () => sockets.delete(one));
    }
    socket
      .pipe(slow ? delayed(slow) : new PassThrough())
      .pipe(onward)
      .pipe(socket);
    said.set(onward, { socket, text: "" });
    socket.on("data", listen());
    socket.on("data", (chunk: Buffer) => {
      const one = said.get(onward);
      if (one) one.text += chunk.toString("latin1");
    });
    socket.on("close", () => {
      onward.destroy();
      said.delete(onward);
    });
  });
  let ownPort = 0;
  const open = async () => {
    await once(server.listen(ownPort, "127.0.0.1"), "listening");
    ownPort = (server.address() as AddressInfo).port;
  };
  await open();
  const url = new URL(target);
  url.host = `127.0.0.1:${ownPort}`;
  return {
    url: url.href,
    open,
    /** From now on nothing comes back on the connections on which the client has said this, though they stay open. */
    deafen(ifSaid: RegExp) {
      for (const [onward, { socket, text }] of said) {
        if (ifSaid.test(text)) onward.unpipe(socket).resume();
      }
    },
    async close() {
      if (!server.listening) return;
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

function delayed({ ms, ifSaid }: Slow): Transform {
  let isSlow = false;
  return new Transform({
    async transform(chunk: Buffer, _encoding, done) {
      isSlow ||= ifSaid.test(chunk.toString("latin1"));
      if (isSlow) await delay(ms);
      done(null, chunk);
    },
  });
}

/** A way to PostgreSQL that counts the statements which are asked for on it. */
export async function countedWayTo(target: string) {
  let statements = 0;
  const way = await wayTo(target, undefined, () => {
    let rest = Buffer.alloc(0);
    /** Only the first message has no type before its length. */
    let typeLength = 0;
    return (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= typeLength + 4) {
        const length = typeLength + rest.readInt32BE(typeLength);
        if (rest.length < length) break;
        const type = typeLength === 0 ? "" : String.fromCharCode(rest[0] as number);
        // Execute, and a simple query (https://www.postgresql.org/docs/current/protocol-message-formats.html).
        if (type === "E" || type === "Q") statements++;
        rest = rest.subarray(length);
        typeLength = 1;
      }
    };
  });
  return { ...way, statements: () => statements };
}
