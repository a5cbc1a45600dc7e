// The truth in the end: the rows of PostgreSQL, and the leftovers in Redis and in the pods after the last user has left.
import { setTimeout as delay } from "node:timers/promises";
import { runSql } from "../support/servers.ts";
import type { Cluster } from "./cluster.ts";
import type { Ledger, Settings } from "./ledger.ts";
import { readMetrics } from "./metrics.ts";

type ChatRow = {
  id: string;
  organisation_id: string;
  visitor_id: string;
  status: string;
  staff_id: string | null;
  last_sequence_num: number;
  last_internal_num: number;
  severity_level: number;
};
type MessageRow = {
  chat_id: string;
  sequence_num: number;
  id: string;
  type_id: number;
  sender_id: string;
  by_staff: boolean;
  content: string;
  kind: string;
  cause: string | null;
  served_by: string | null;
  data: string | null;
  at: number;
};
type InternalRow = {
  chat_id: string;
  sequence_num: number;
  kind: string;
  cause: string | null;
  actor_id: string;
  data: string;
  at: number;
};

const AT = "(extract(epoch FROM created_at) * 1000)::float8 AS at";
const toId = (uuid: string) => uuid.replaceAll("-", "");

export async function noteTruth(databaseUrl: string, ledger: Ledger): Promise<void> {
  const chats = `SELECT id, organisation_id, visitor_id, status, staff_id, last_sequence_num, last_internal_num, severity_level
    FROM chats`;
  for (const row of await runSql<ChatRow>(databaseUrl, chats)) {
    ledger.note({
      ...{ kind: "chat", chat: toId(row.id), organisation: toId(row.organisation_id), visitor: toId(row.visitor_id) },
      ...{ status: row.status, staff: row.staff_id && toId(row.staff_id), last: row.last_sequence_num },
      ...{ lastInternal: row.last_internal_num, severity: row.severity_level },
    });
  }
  const messages = `SELECT chat_id, sequence_num, id, type_id, sender_id, by_staff, content::text AS content,
    kind, cause, served_by, data::text AS data, ${AT} FROM chat_messages`;
  for (const row of await runSql<MessageRow>(databaseUrl, messages)) {
    ledger.note({
      ...{ kind: "row", t: row.at, chat: toId(row.chat_id), number: row.sequence_num, id: toId(row.id) },
      ...{ type: row.type_id, sender: toId(row.sender_id), byStaff: row.by_staff, content: row.content },
      stored: { kind: row.kind, cause: row.cause, servedBy: row.served_by && toId(row.served_by), data: row.data },
    });
  }
  const internal = `SELECT chat_id, sequence_num, kind, cause, actor_id, data::text AS data, ${AT} FROM chat_internal_entries`;
  for (const row of await runSql<InternalRow>(databaseUrl, internal)) {
    ledger.note({
      ...{ kind: "internal", t: row.at, chat: toId(row.chat_id), number: row.sequence_num, entry: row.kind },
      ...{ cause: row.cause, actor: toId(row.actor_id), data: row.data },
    });
  }
}

/** Notes the counters of all pods that answer. */
export async function noteCounters({ pods }: Cluster, ledger: Ledger): Promise<void> {
  await Promise.all(
    pods().map(async ({ name, directUrl }) => {
      const metrics = await readMetrics(directUrl).catch(() => null);
      if (metrics) ledger.note({ kind: "counted", pod: name, unknown: metrics.unknown, healed: metrics.healed });
    }),
  );
}

/** How many files more than at the start a pod may have open: its connections to the database come one by one. */
const FILES_MORE = 25;

/** Notes what is left of anybody; waits as long as somebody may rightly be remembered. */
export async function noteLeftovers(
  cluster: Cluster,
  { leaseMs, graceMs, repairMs }: Settings,
  ledger: Ledger,
): Promise<void> {
  const mayTakeMs = leaseMs + graceMs + repairMs + 2_000;
  let found: { where: string; what: string }[] = [];
  for (const until = Date.now() + mayTakeMs; Date.now() < until; await delay(300)) {
    found = [...(await leftInRedis(cluster)), ...(await leftInPods(cluster))];
    if (found.length === 0) return;
  }
  for (const leftover of found) ledger.note({ kind: "leftover", ...leftover });
}

async function leftInRedis({ redis, pods }: Cluster) {
  const found: { where: string; what: string }[] = [];
  for (const node of await redis.masters()) {
    const keys = (await node.call("KEYS", "presence:*")) as string[];
    for (const key of keys.filter((one) => one.startsWith("presence:{"))) {
      const users = await ofItsOwn<string[]>(node.call("HGETALL", key));
      if (users && users.length > 0)
        found.push({ where: "Redis", what: `${users.length / 2} users in ${key}: ${users.join(" ").slice(0, 300)}` });
    }
    if (!keys.includes("presence:processes")) continue;
    const [seconds] = (await node.call("TIME")) as [string];
    const living = await ofItsOwn<number>(node.call("ZCOUNT", "presence:processes", Number(seconds) * 1000, "+inf"));
    if (living !== null && living > pods().length)
      found.push({ where: "Redis", what: `${living} processes with a lease, ${pods().length} run` });
  }
  return found;
}

/** Null when another master has the key: after failovers a node may keep a copy that nobody can read any more. */
async function ofItsOwn<T>(reply: Promise<unknown>): Promise<T | null> {
  return reply.catch((error: Error) => {
    if (error.message.startsWith("MOVED")) return null;
    throw error;
  }) as Promise<T | null>;
}

async function leftInPods({ pods }: Cluster) {
  const found: { where: string; what: string }[] = [];
  for (const { name, directUrl, openFiles } of pods()) {
    const { connections, files } = await readMetrics(directUrl);
    if (connections !== 0) found.push({ where: name, what: `chat_connections is ${connections}` });
    if (files > openFiles + FILES_MORE)
      found.push({ where: name, what: `${files} open files, ${openFiles} at its start` });
  }
  return found;
}
