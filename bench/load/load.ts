import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { addCounts, type Counts } from "../histogram.ts";
import type { Totals, Window } from "./crowd.ts";
import type { Answer, Order } from "./process.ts";

/** On a small machine a second load process would take CPU time from the pods. */
const PROCESSES = availableParallelism() >= 4 ? 2 : 1;
/** Missing messages count as lost when nothing has arrived for so long. */
const SETTLE_WITHIN_MS = 6_000;
const COPIES = 2;

/** All people of the world, connected to the pods, in processes of their own. */
export type Load = {
  pids: number[];
  saturate(outstanding: number): Promise<void>;
  pace(perSecond: number): Promise<void>;
  /** The counts since the last call. */
  take(): Promise<Window>;
  /** Stops all writers. Rejects unless every message was acked true, and received once by each of its receivers. */
  settle(): Promise<void>;
  close(): Promise<void>;
};

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export async function startLoad(worldFile: string, urls: string[]): Promise<Load> {
  const children = Array.from({ length: PROCESSES }, () => fork(join(import.meta.dirname, "process.ts")));
  for (const child of children) {
    running.add(child);
    child.once("exit", () => running.delete(child));
  }
  const askAll = <T>(order: Order) => Promise.all(children.map((child) => ask<T>(child, order)));
  const close = async () => {
    await Promise.all(
      children.map((child) => {
        const exited = once(child, "exit");
        if (child.connected) child.disconnect();
        return exited;
      }),
    );
  };
  try {
    await Promise.all(
      children.map((child, index) =>
        ask(child, { do: "connect", worldFile, urls, share: { index, of: children.length } }),
      ),
    );
  } catch (error) {
    await close();
    throw error;
  }
  // The pods may still be subscribing at Redis.
  await delay(500);
  const totals = async () => addTotals(await askAll<Totals>({ do: "totals" }));
  return {
    pids: children.map(({ pid }) => pid as number),
    saturate: async (outstanding) => void (await askAll({ do: "saturate", outstanding })),
    pace: async (perSecond) => void (await askAll({ do: "pace", perSecond: perSecond / children.length })),
    take: async () => addWindows(await askAll<Window>({ do: "take" })),
    async settle() {
      await askAll({ do: "rest" });
      let now = await totals();
      for (let endsAt = Date.now() + SETTLE_WITHIN_MS; !isComplete(now) && Date.now() < endsAt; ) {
        await delay(100);
        const before = inAll(now);
        now = await totals();
        if (inAll(now) > before) endsAt = Date.now() + SETTLE_WITHIN_MS;
      }
      if (now.failures.length > 0 || !isComplete(now)) throw new Error(whatIsWrong(now));
    },
    close,
  };
}

const isComplete = ({ sent, acked, delivered, copied }: Totals) =>
  acked === sent && delivered === sent && copied === COPIES * sent;

const inAll = ({ acked, delivered, copied }: Totals) => acked + delivered + copied;

const whatIsWrong = ({ sent, acked, delivered, copied, failures }: Totals) =>
  `The messages are not all where they belong: ${sent} sent, ${acked} acked, ${delivered} delivered, ` +
  `${copied} of ${COPIES * sent} copies.\n${failures.join("\n")}`;

async function ask<T>(child: ChildProcess, order: Order): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  const ended = once(child, "exit", { signal }).then(() => {
    throw new Error("A load process has ended.");
  });
  ended.catch(() => {});
  child.send(order);
  try {
    const [answer] = (await Promise.race([once(child, "message", { signal }), ended])) as [Answer];
    if ("error" in answer) throw new Error(answer.error);
    return answer.result as T;
  } finally {
    controller.abort();
  }
}

function addTotals(all: Totals[]): Totals {
  const sum = (key: "sent" | "acked" | "delivered" | "copied") => all.reduce((before, one) => before + one[key], 0);
  return {
    ...{ sent: sum("sent"), acked: sum("acked"), delivered: sum("delivered"), copied: sum("copied") },
    failures: all.flatMap(({ failures }) => failures),
  };
}

function addWindows(all: Window[]): Window {
  const sum = (key: "acked" | "received") => all.reduce((before, one) => before + one[key], 0);
  const counts = (key: "ack" | "delivery" | "copy"): Counts => addCounts(all.map((one) => one[key]));
  return {
    acked: sum("acked"),
    received: sum("received"),
    ack: counts("ack"),
    delivery: counts("delivery"),
    copy: counts("copy"),
  };
}
