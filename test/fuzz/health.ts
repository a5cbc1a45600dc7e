import { readdirSync, readFileSync } from "node:fs";
import { request } from "../support/http.ts";
import { inspect } from "../support/inspector.ts";
import type { Pod } from "../support/pod.ts";

/** The figures of a process that must be as before when its guests have disconnected. */
export type Health = {
  /** Open files and TCP connections. */
  files: number;
  timers: number;
  /** As the process itself counts them. */
  connections: number;
  heapMb: number;
};

/** Its sessions, and whatever else there is one of for each guest, as they are found in its memory. */
const guests = {
  sessions: ["engine.io", "Socket"],
  sockets: ["socket.io", "Socket"],
  requests: ["http", "IncomingMessage"],
  answers: ["http", "ServerResponse"],
  websockets: ["ws", "WebSocket"],
} as const;
export type Guests = Record<keyof typeof guests, number>;

export async function createHealthCheck(pod: Pod) {
  const inspector = await inspect(pod);
  const metrics = async () => (await request<string>(pod.url, "GET /metrics")).body;
  return {
    async look(): Promise<Health> {
      const connections = [...(await metrics()).matchAll(/^chat_connections\{.*\} (\d+)$/gm)].map(([, n]) => Number(n));
      await inspector.collectGarbage();
      const resources = await inspector.evaluate<string[]>("process.getActiveResourcesInfo()");
      return {
        files: readdirSync(`/proc/${pod.pid}/fd`).length,
        timers: resources.filter((name) => name === "Timeout").length,
        connections: connections.reduce((sum, count) => sum + count, 0),
        heapMb: Math.round((await inspector.evaluate<number>("process.memoryUsage().heapUsed")) / 1e6),
      };
    },
    /** Blocks the process for some seconds. */
    guests: (): Promise<Guests> => inspector.count(guests as never),
    /** The metrics of events, handshakes and requests that were answered "Internal error". */
    async faults(): Promise<string[]> {
      const events = /^chat_(?:events|handshakes_refused)_total\{.*="internal"\} [^0].*$/gm;
      const requests = /^chat_http_request_seconds_count\{.*status="500"\} [^0].*$/gm;
      const body = await metrics();
      return [events, requests].flatMap((lines) => [...body.matchAll(lines)].map(([line]) => line));
    },
    /** The longest that the event loop has stood still, in seconds, since this was last asked. */
    async lag(): Promise<number> {
      return Number(/^nodejs_eventloop_lag_max_seconds (.*)$/m.exec(await metrics())?.[1]);
    },
    close: () => inspector.close(),
  };
}

/** The most memory that a process has ever had. */
export const peakMbOf = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1e3;
