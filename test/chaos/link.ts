import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Which connections through a link a trouble touches: all, or the connections on which the client has ever said this. */
export type Choice = { ifSaid?: RegExp };

/** A network path to one server, with the troubles that a network has. */
export type Link = {
  port: number;
  /** Connections from now on lead to another port; open connections stay. */
  lead(port: number): void;
  /** Bytes take this long from now on, in each direction. */
  delay(ms: number): void;
  /**
   * Carries nothing any more on the connections that are open, in one direction or both, and keeps them open. New ones
   * work unless `alsoNew`.
   */
  stall(towards: "server" | "client" | "both", options?: Choice & { alsoNew?: boolean }): void;
  /** Carries again what was stalled: to its ends it was only slow. */
  resume(): void;
  /** Cuts the connections that are open; while `closed`, new ones are cut as well. */
  cut(options?: Choice & { closed?: boolean }): void;
  open(): void;
  close(): Promise<void>;
};

type Pair = { client: Socket; server: Socket; said: string; toServer: Pipe; toClient: Pipe };

export async function createLink(target: number): Promise<Link> {
  const pairs = new Set<Pair>();
  let leadsTo = target;
  let delayMs = 0;
  let isClosed = false;
  let stallsNew: "server" | "client" | "both" | null = null;

  const listener = createServer({ noDelay: true }, (client) => {
    if (isClosed) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: leadsTo, host: "127.0.0.1", noDelay: true });
    const pair: Pair = {
      ...{ client, server, said: "" },
      toServer: pipe(client, server, () => delayMs),
      toClient: pipe(server, client, () => delayMs),
    };
    if (stallsNew) stallPair(pair, stallsNew);
    pairs.add(pair);
    client.on("data", (chunk) => {
      // Enough to know what kind of connection it is.
      if (pair.said.length < 4_000) pair.said += chunk.toString("latin1");
    });
    for (const end of [client, server]) {
      end.on("error", () => {});
      end.on("close", () => client.destroyed && server.destroyed && pairs.delete(pair));
    }
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");

  const chosen = ({ ifSaid }: Choice = {}) => [...pairs].filter(({ said }) => !ifSaid || ifSaid.test(said));
  const cut = (some: Pair[]) => {
    for (const { client, server } of some) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  };
  return {
    port: (listener.address() as AddressInfo).port,
    lead(port) {
      leadsTo = port;
    },
    delay(ms) {
      delayMs = ms;
    },
    stall(towards, options = {}) {
      for (const pair of chosen(options)) stallPair(pair, towards);
      if (options.alsoNew) stallsNew = towards;
    },
    resume() {
      stallsNew = null;
      for (const { toServer, toClient } of pairs) for (const way of [toServer, toClient]) way.setStalled(false);
    },
    cut(options = {}) {
      isClosed = options.closed ?? false;
      stallsNew = null;
      cut(chosen(options));
    },
    open() {
      isClosed = false;
    },
    async close() {
      listener.close();
      cut([...pairs]);
      await once(listener, "close");
    },
  };
}

function stallPair({ toServer, toClient }: Pair, towards: "server" | "client" | "both"): void {
  if (towards !== "client") toServer.setStalled(true);
  if (towards !== "server") toClient.setStalled(true);
}

type Pipe = { setStalled(stalled: boolean): void };

/** Carries everything of one direction, its end as well, in order; what can't be written holds the reading back. */
function pipe(from: Socket, to: Socket, delayMs: () => number): Pipe {
  const waiting: { at: number; send: () => void }[] = [];
  let isStalled = false;
  let timer: NodeJS.Timeout | undefined;

  function carry(): void {
    clearTimeout(timer);
    if (isStalled) return;
    for (let first = waiting[0]; first; first = waiting[0]) {
      const inMs = first.at - performance.now();
      if (inMs > 0) {
        timer = setTimeout(carry, inMs);
        return;
      }
      waiting.shift();
      first.send();
    }
  }
  const put = (send: () => void) => {
    waiting.push({ at: performance.now() + delayMs(), send });
    carry();
  };
  from.on("data", (chunk) =>
    put(() => {
      if (to.writable && !to.write(chunk)) from.pause();
    }),
  );
  from.on("end", () => put(() => to.end()));
  // A stalled path doesn't carry the end of a connection either.
  from.on("close", () => put(() => to.destroy()));
  to.on("drain", () => from.resume());
  return {
    setStalled(stalled) {
      isStalled = stalled;
      carry();
    },
  };
}
