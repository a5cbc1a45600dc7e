import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";
import { barChart } from "../charts/bars.ts";
import { connectWire } from "../load/wire.ts";
import type { Measurement } from "../measurement.ts";
import type { Options } from "../options.ts";
import { spreadText } from "../report.ts";
import type { Cluster, Rig } from "../rig.ts";
import { ratioOf, spreadOf } from "../stats.ts";
import { createFilledDatabase, type Filled, LONG_CHAT_MESSAGES, removeNewMessages } from "./fill.ts";
import { type MessageRun, runMessages } from "./messages.ts";

const PAGE = 100;
const REQUESTS = 200;
const CONNECTS = 40;

type Turn = { stored: number; firstPageMs: number; middlePageMs: number; connectMs: number; messages: MessageRun };

export const growth: Measurement = {
  name: "growth",
  title: "what many stored messages change",
  async run(rig, { rounds, seconds, quick }, report) {
    const sizes = quick ? [10_000, 100_000] : [10_000, 100_000, 1_000_000];
    const databases: Filled[] = [];
    for (const size of sizes) {
      databases.push(await createFilledDatabase(rig, size));
      report.step(`growth: a database with ${size.toLocaleString("en")} messages is there`);
    }
    const turns: Turn[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const database of databases) {
        const turn = await takeTurn(rig, database, { seconds, quick });
        turns.push(turn);
        report.step(
          `growth, round ${round} of ${rounds}: ${turn.stored.toLocaleString("en")} messages: page ` +
            `${turn.firstPageMs.toFixed(2)} and ${turn.middlePageMs.toFixed(2)} ms, ` +
            `connected in ${turn.connectMs.toFixed(1)} ms, ${Math.round(turn.messages.podUs)} µs of pod CPU a message`,
        );
      }
    }
    for (const { url } of databases) await rig.dropDatabase(url);
    report.keep("growth", turns);

    const figures: [string, (turn: Turn) => number][] = [
      ["first page ms", (turn) => turn.firstPageMs],
      ["middle page ms", (turn) => turn.middlePageMs],
      ["connect ms", (turn) => turn.connectMs],
      ["pod CPU µs", (turn) => turn.messages.podUs],
      ["PostgreSQL CPU µs", (turn) => turn.messages.postgresUs],
      ["messages/s", (turn) => turn.messages.perSecond],
    ];
    const valuesOf = (size: number, value: (turn: Turn) => number) =>
      turns.filter(({ stored }) => stored === size).map(value);
    const [least, most] = [sizes[0] as number, sizes.at(-1) as number];
    const ratioOfAll = (value: (turn: Turn) => number) => ratioOf(valuesOf(most, value), valuesOf(least, value));
    const name = (size: number) => (size >= 1_000_000 ? `${size / 1_000_000} M` : `${size / 1_000} k`);
    report.table({
      title: "Growth: by stored messages",
      columns: ["stored", ...figures.map(([column]) => column)],
      rows: [
        ...sizes.map((size) => [
          name(size),
          ...figures.map(([, value]) => spreadText(spreadOf(valuesOf(size, value)))),
        ]),
        [`${name(most)} ÷ ${name(least)}`, ...figures.map(([, value]) => spreadText(ratioOfAll(value)))],
      ],
    });
    // Figures relative to the smallest database, so that one chart has room for all of them.
    const shown = figures.slice(0, 5);
    report.chart(
      "growth",
      barChart({
        title: `Time and CPU time by stored messages, ${name(least)} = 1`,
        unit: `share of that at ${name(least)}`,
        groups: shown.map(([column]) => column.replace(/ (ms|µs)$/, "")),
        series: sizes.map((size) => ({
          name: `${name(size)} stored`,
          values: shown.map(([, value]) => ratioOf(valuesOf(size, value), valuesOf(least, value))),
        })),
      }),
    );
    for (const [column, value] of figures.slice(0, 4)) {
      const goal = `growth, ${column.replace(/ (ms|µs)$/, "")}, ${name(most)} ÷ ${name(least)}`;
      report.goal({ goal, ratio: ratioOfAll(value), limit: 1.2, best: "low" });
    }
  },
};

async function takeTurn(rig: Rig, database: Filled, options: Pick<Options, "seconds" | "quick">): Promise<Turn> {
  const cluster = await rig.startCluster("ours", 1, { databaseUrl: database.url });
  try {
    const [organisation] = rig.world.organisations;
    const token = organisation?.monitors[0]?.token as string;
    const page = (query: string) => timePages(cluster, `/chats/${database.longChat}/messages?${query}`, token);
    const firstPageMs = await page(`limit=${PAGE}`);
    const middlePageMs = await page(`before=${LONG_CHAT_MESSAGES / 2}&limit=${PAGE}`);
    const connectMs = await timeConnects(cluster, token);
    const messages = await runMessages(cluster, options);
    return { stored: database.messages, firstPageMs, middlePageMs, connectMs, messages };
  } finally {
    await cluster.stop();
    await removeNewMessages(database, rig);
  }
}

/** The median of many requests, one after the other; the first requests only warm up. */
async function timePages({ pods }: Cluster, path: string, token: string): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const took: number[] = [];
  for (let n = 0; n < REQUESTS + REQUESTS / 2; n++) {
    const startedAt = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    request(new URL(path, pods[0]?.url), { agent, headers: { Authorization: token } }, (response) => {
      if (response.statusCode === 200) text(response).then(resolve, reject);
      else reject(new Error(`${path} was answered ${response.statusCode}`));
    })
      .on("error", reject)
      .end();
    const body = await promise;
    took.push(performance.now() - startedAt);
    const { data } = JSON.parse(body) as { data: unknown[] };
    if (data.length !== PAGE) throw new Error(`${path} has ${data.length} messages, expected ${PAGE}`);
  }
  agent.destroy();
  return spreadOf(took.slice(REQUESTS / 2)).median;
}

/** The median time from opening a connection to its complete snapshot. */
async function timeConnects({ pods }: Cluster, token: string): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < CONNECTS + CONNECTS / 4; n++) {
    const startedAt = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const wire = await connectWire({
      ...{ url: pods[0]?.url as string, token, onLost: reject },
      onPacket(data, start) {
        if (data.toString("latin1", start, start + 14) === '42["staff_init') resolve();
      },
    });
    await promise;
    took.push(performance.now() - startedAt);
    wire.close();
  }
  return spreadOf(took.slice(CONNECTS / 4)).median;
}
