import type { Server } from "socket.io";
import { doEach } from "../do-each.ts";
import { toLastLine } from "../time.ts";
import { engineOf } from "./insides.ts";
import { takeOver } from "./take-over.ts";

/**
 * One turn of the event loop parses so many bytes of small packets, and as many of large ones. 64 KB of JSON take up to
 * 13 ms, with thousands of small fields: 100 such packets at once would stop the process for 1 s. Other users' messages
 * need several turns each, so a turn has only one such packet.
 */
const PER_TURN = 64_000;
/** Small packets don't wait behind large ones of other connections. */
const SMALL = 4_000;

/** An empty packet has none. Socket.IO ends the connection of its sender. */
type Data = string | Buffer | undefined;
/** The packets of a connection that aren't parsed, in order. */
type Line = { waiting: Data[]; parse: (data: Data) => void; close: (() => void) | null };
type Size = "small" | "large";

/**
 * Spreads the parsing of what has arrived over turns of the event loop. Connections take turns, each in its own order. A
 * packet that arrives while little else does is parsed at once. A connection closes behind what it has sent before, unless
 * this process cuts it off.
 */
export function paceParsing(io: Server, perTurn = PER_TURN): void {
  const lines = new Set<Line>();
  const used: Record<Size, number> = { small: 0, large: 0 };
  let isCounting = false;

  /** Takes the bytes from this turn's allowance. The first packet of a turn always fits. */
  function fits(data: Data): boolean {
    const length = data?.length ?? 0;
    const size: Size = length <= SMALL ? "small" : "large";
    if (used[size] > 0 && used[size] + length > perTurn) return false;
    used[size] += length;
    if (!isCounting) {
      isCounting = true;
      setImmediate(endTurn);
    }
    return true;
  }

  function endTurn(): void {
    isCounting = false;
    used.small = 0;
    used.large = 0;
    // A line that moves to the end of the set is visited again, as long as its next packet fits.
    doEach(lines, serve, toLastLine);
  }

  function serve(line: Line): void {
    const [first] = line.waiting;
    if (line.waiting.length === 0 || !fits(first)) return;
    lines.delete(line);
    line.waiting.shift();
    if (line.waiting.length > 0) lines.add(line);
    try {
      line.parse(first);
    } finally {
      // Socket.IO passes on what it has parsed before the turn is over.
      if (line.waiting.length === 0 && line.close) setImmediate(line.close);
    }
  }

  engineOf(io).on("connection", (connection) => {
    const line: Line = { waiting: [], parse: () => {}, close: null };
    line.parse = takeOver(connection, "data", (data) => {
      if (line.waiting.length === 0 && fits(data)) {
        line.parse(data);
        return;
      }
      line.waiting.push(data);
      lines.add(line);
    });
    const close = takeOver(connection, "close", (reason, ...rest) => {
      const isCutOff = reason === "forced close";
      if (isCutOff) drop(line);
      if (line.waiting.length === 0) close(reason, ...rest);
      else line.close = () => close(reason, ...rest);
    });
  });

  function drop(line: Line): void {
    line.waiting = [];
    lines.delete(line);
  }
}
