import { runSql } from "../servers.ts";

type Filling = {
  organisationId: string;
  chats: number;
  messages: number;
  /** The size of each content, as JSON. */
  bytes: number;
  /** The visitor who has the only chat; else there is a new one for each. */
  visitorId?: string;
};

/**
 * Puts chats into the queue as if visitors had written for hours. PostgreSQL compresses the contents, and copies them as
 * they are compressed: a GB of text takes some MB on disk.
 */
export async function fill(databaseUrl: string, { organisationId, chats, messages, bytes, visitorId }: Filling) {
  const text = `json_build_object('text', repeat('x', ${bytes - '{"text" : ""}'.length}))`;
  await runSql(
    databaseUrl,
    `CREATE TEMP TABLE made AS
       SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - 3600000 + n), 12, '0') || '7'
         || substr(md5(random()::text), 1, 19))::uuid AS chat_id,
         ${visitorId ? `'${visitorId}'::uuid` : "gen_random_uuid()"} AS visitor_id, n
       FROM generate_series(1, ${chats}) n;
     INSERT INTO visitors (id, organisation_id, name, is_anonymous)
       SELECT visitor_id, '${organisationId}', 'Visitor ' || n, true FROM made ON CONFLICT DO NOTHING;
     INSERT INTO chats (id, organisation_id, visitor_id, last_sequence_num)
       SELECT chat_id, '${organisationId}', visitor_id, ${messages} FROM made;
     INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content)
       SELECT chat_id, 1, gen_random_uuid(), 1, visitor_id, false, ${text} FROM made ORDER BY n LIMIT 1;
     INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content)
       SELECT made.chat_id, number, gen_random_uuid(), 1, visitor_id, false, first.content
       FROM made CROSS JOIN generate_series(1, ${messages}) number
       CROSS JOIN (SELECT content FROM chat_messages JOIN made USING (chat_id) ORDER BY n, sequence_num LIMIT 1) first
       ON CONFLICT DO NOTHING;
     ANALYZE chats; ANALYZE chat_messages; ANALYZE visitors;`,
  );
}
