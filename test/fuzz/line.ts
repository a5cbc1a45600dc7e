import { once } from "node:events";
import { connect } from "node:net";
import { within } from "../../src/platform/time.ts";

/** A TCP connection that sends what it is given, and minds nothing. */
export type Line = {
  send(bytes: Buffer | string): void;
  /** Resolves to all that has come in once it matches, the service has hung up, or the time is over. */
  received(pattern: RegExp, ms: number): Promise<string>;
  isClosed(): boolean;
  /** Resolves to whether the service closes it within this time. */
  closed(ms: number): Promise<boolean>;
  /** Resolves when the connection is closed, which it is after `ms` in any case. */
  end(how: "reset" | "close" | "wait", ms: number): Promise<void>;
};

/** So much of what comes in is looked at. */
const MAX_RECEIVED = 100_000;

export async function openLine(url: string): Promise<Line> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true });
  let isOver = false;
  const over = new Promise<void>((resolve) => {
    for (const event of ["end", "close"]) socket.once(event, () => resolve());
  }).then(() => {
    isOver = true;
  });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  let received = "";
  let look = () => {};
  socket.on("error", () => {});
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    if (received.length < MAX_RECEIVED) received += chunk;
    look();
  });
  await Promise.race([once(socket, "connect").catch(() => {}), closed]);
  return {
    send(bytes) {
      if (socket.writable) socket.write(bytes as string, typeof bytes === "string" ? "latin1" : undefined);
    },
    async received(pattern, ms) {
      const found = new Promise<void>((resolve) => {
        look = () => void (pattern.test(received) && resolve());
        look();
      });
      await within(ms, Promise.race([found, over]));
      return received;
    },
    isClosed: () => isOver,
    async closed(ms) {
      await within(ms, over);
      return isOver;
    },
    async end(how, ms) {
      if (how === "reset") socket.resetAndDestroy();
      if (how === "close") socket.end();
      await within(ms, closed);
      socket.destroy();
      await closed;
    },
  };
}
