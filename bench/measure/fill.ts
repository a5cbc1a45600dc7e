// Writes the messages of years of use straight into a database.
import { runSql } from "../../test/support/servers.ts";
import type { Rig } from "../rig.ts";

/** The open chats are the same in each database, with any number of messages beside them. */
const LONG_CHATS = 4;
export const LONG_CHAT_MESSAGES = 1_000;
export const QUEUED_CHATS = 25;
const QUEUED_CHAT_MESSAGES = 4;
const CLOSED_CHAT_MESSAGES = 50;
const CHATS_PER_VISITOR = 2;

export type Filled = { url: string; messages: number; longChat: string };

/** Creates a database with the world, the open chats above, and enough closed chats for so many messages. */
export async function createFilledDatabase(rig: Rig, messages: number): Promise<Filled> {
  const url = await rig.createDatabase();
  const open = LONG_CHATS * LONG_CHAT_MESSAGES + QUEUED_CHATS * QUEUED_CHAT_MESSAGES;
  const closedChats = Math.ceil(Math.max(0, messages - open) / CLOSED_CHAT_MESSAGES);
  await runSql(
    url,
    `${functions(rig)}
     ${chats({ status: "closed", first: 0, count: closedChats, messages: CLOSED_CHAT_MESSAGES, perVisitor: CHATS_PER_VISITOR })}
     ${chats({ status: "claimed", first: closedChats, count: LONG_CHATS, messages: LONG_CHAT_MESSAGES, perVisitor: 1 })}
     ${chats({ status: "unclaimed", first: closedChats + LONG_CHATS, count: QUEUED_CHATS, messages: QUEUED_CHAT_MESSAGES, perVisitor: 1 })}`,
  );
  await runSql(url, "VACUUM ANALYZE");
  await runSql(url, "CHECKPOINT");
  const [longChat] = await runSql<{ id: string }>(
    url,
    `SELECT replace(id::text, '-', '') AS id FROM chats
     WHERE last_sequence_num = ${LONG_CHAT_MESSAGES} AND status = 'claimed' LIMIT 1`,
  );
  return { url, messages, longChat: longChat?.id as string };
}

/** Deletes the messages that were written since the world was made, so that the next turn finds the same database. */
export async function removeNewMessages({ url }: Filled, rig: Rig): Promise<void> {
  const ids = rig.world.chats.map(({ room }) => `'${room.id}'`).join();
  const { lastNumber } = rig.world.chats[0] as { lastNumber: number };
  await runSql(url, `DELETE FROM chat_messages WHERE sequence_num > ${lastNumber} AND chat_id IN (${ids})`);
  await runSql(url, `UPDATE chats SET last_sequence_num = ${lastNumber} WHERE id IN (${ids})`);
  await runSql(url, "VACUUM ANALYZE chat_messages, chats");
}

/** Functions for one session: the agent of a chat, its organisation, and ids in the order of time, like the service's. */
function functions({ world }: Rig): string {
  const agents = world.organisations.flatMap(({ agents }) => agents.map(({ user }) => user));
  const array = (ids: string[]) => `(ARRAY[${ids.map((id) => `'${id}'`).join()}]::uuid[])`;
  // The open chats all belong to one organisation, so that its staff's snapshot is the same in each database.
  const pick = (ids: string[]) => `SELECT ${array(ids)}[1 + CASE WHEN is_open THEN 0 ELSE n % ${ids.length} END]`;
  return `
    SET session_replication_role = replica; -- without checking each reference: they are right
    SET synchronous_commit = off;
    CREATE FUNCTION pg_temp.agent(n int, is_open bool) RETURNS uuid IMMUTABLE LANGUAGE sql AS
      $$ ${pick(agents.map(({ id }) => id))} $$;
    CREATE FUNCTION pg_temp.organisation(n int, is_open bool) RETURNS uuid IMMUTABLE LANGUAGE sql AS
      $$ ${pick(agents.map(({ organisation_id }) => organisation_id))} $$;
    CREATE FUNCTION pg_temp.id_of(kind int, n bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS
      $$ SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || lpad(to_hex(kind), 3, '0') || '8' ||
                 lpad(to_hex(n), 15, '0'))::uuid $$;`;
}

type Chats = {
  status: "closed" | "claimed" | "unclaimed";
  first: number;
  count: number;
  messages: number;
  perVisitor: number;
};

function chats({ status, first, count, messages, perVisitor }: Chats): string {
  if (count === 0) return "";
  const isOpen = status !== "closed";
  const [organisation, agent] = [`pg_temp.organisation(n, ${isOpen})`, `pg_temp.agent(n, ${isOpen})`];
  // All chats of a visitor belong to the organisation of their first chat.
  const visitorNumber = `n - (n - ${first}) % ${perVisitor}`;
  const ofVisitor = organisation.replace("(n,", `(${visitorNumber},`);
  const series = `generate_series(${first}, ${first + count - 1})`;
  const madeAt = "now() - interval '200 days' + n * interval '1 second'";
  return `
    INSERT INTO visitors (id, organisation_id, name, is_anonymous)
    SELECT pg_temp.id_of(1, n), ${organisation}, 'Visitor ' || n, true
    FROM ${series} n WHERE (n - ${first}) % ${perVisitor} = 0;

    INSERT INTO chats (id, organisation_id, visitor_id, status, staff_id, last_sequence_num, created_at, claimed_at, closed_at)
    SELECT pg_temp.id_of(2, n), ${ofVisitor}, pg_temp.id_of(1, ${visitorNumber}), '${status}',
      ${status === "unclaimed" ? "NULL" : agent.replace("(n,", `(${visitorNumber},`)}, ${messages}, ${madeAt},
      ${status === "unclaimed" ? "NULL" : madeAt}, ${status === "closed" ? `${madeAt} + interval '1 hour'` : "NULL"}
    FROM ${series} n;

    INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at)
    SELECT pg_temp.id_of(2, n), number, pg_temp.id_of(3, n::bigint * ${LONG_CHAT_MESSAGES} + number), 1, sender, by_staff,
      json_build_object('text', 'What was said as number ' || number || ', and some more words, as people write them.'),
      ${madeAt} + number * interval '10 seconds'
    FROM ${series} n, generate_series(1, ${messages}) number,
      LATERAL (SELECT ${status === "unclaimed" ? "false" : "number % 2 = 0"} AS by_staff) who,
      LATERAL (SELECT CASE WHEN by_staff THEN ${agent.replace("(n,", `(${visitorNumber},`)}
                           ELSE pg_temp.id_of(1, ${visitorNumber}) END AS sender) sender;`;
}
