import { randomUUID } from "node:crypto";
import { createSigner } from "fast-jwt";
import { JWT_SECRET } from "../../test/support/process.ts";
import { runSql } from "../../test/support/servers.ts";

const sign = createSigner({ key: JWT_SECRET, algorithm: "HS256", expiresIn: "12h" });

/** Creates an organisation and answers the tokens of its people. The first of its visitors have a chat in the queue. */
export async function createPeople(databaseUrl: string, size: { staff: number; visitors: number; queued: number }) {
  const id = randomUUID();
  const [result] = await runSql<{ staff: string[] | null; visitors: string[] | null }>(
    databaseUrl,
    `WITH organisation AS (
       INSERT INTO organisations (id, name) VALUES ('${id}', 'Crowd') RETURNING id
     ), staff AS (
       INSERT INTO users (id, organisation_id, full_name, email, email_key, password_hash, role_id)
       SELECT gen_random_uuid(), id, 'Agent ' || n, n || '@${id}', n || '@${id}', 'none', 3
       FROM organisation, generate_series(1, ${size.staff}) n RETURNING id
     ), visitor AS (
       INSERT INTO visitors (id, organisation_id, name, is_anonymous)
       SELECT gen_random_uuid(), id, 'Visitor ' || n, true FROM organisation, generate_series(1, ${size.visitors}) n
       RETURNING id, organisation_id
     ), chat AS (
       INSERT INTO chats (id, organisation_id, visitor_id, last_sequence_num)
       SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7' || substr(md5(id::text), 1, 3) || 'a'
               || substr(md5(id::text), 4, 15))::uuid, organisation_id, id, 2
       FROM (SELECT * FROM visitor LIMIT ${size.queued}) asking RETURNING id, visitor_id
     ), message AS (
       INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content)
       SELECT id, n, gen_random_uuid(), 1, visitor_id, false, '{"text": "Hello, I have a question about my order."}'
       FROM chat, generate_series(1, 2) n
     )
     SELECT (SELECT json_agg(id) FROM staff) AS staff, (SELECT json_agg(id) FROM visitor) AS visitors`,
  );
  await runSql(databaseUrl, "ANALYZE");
  const tokensOf = (ids: string[] | null | undefined, type: "staff" | "visitor") =>
    (ids ?? []).map((one) => sign({ sub: one.replaceAll("-", ""), type }));
  return { staff: tokensOf(result?.staff, "staff"), visitors: tokensOf(result?.visitors, "visitor") };
}
