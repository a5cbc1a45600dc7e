-- How far the logs of the chats of a scope have come, oldest chat first. One index for each of its parts: with OR PostgreSQL
-- would read all chats. The first four are the groups of the audience table (src/chat/audience.ts) in the states that they
-- follow. :sinceId is the least id of a chat opened since :since, in seconds since 1970.
SELECT id AS "id!", organisation_id AS "organisation_id!", visitor_id AS "visitor_id!", staff_id, status AS "status!",
  last_sequence_num AS "last_sequence_num!", last_internal_num AS "last_internal_num!"
FROM (
  SELECT id, organisation_id, visitor_id, staff_id, status, last_sequence_num, last_internal_num FROM chats
  WHERE visitor_id = ANY(:visitor::uuid[]) AND status <> 'closed'
  UNION
  SELECT id, organisation_id, visitor_id, staff_id, status, last_sequence_num, last_internal_num FROM chats
  WHERE staff_id = ANY(:serving::uuid[]) AND status = 'claimed'
  UNION
  SELECT id, organisation_id, visitor_id, staff_id, status, last_sequence_num, last_internal_num FROM chats
  WHERE organisation_id = ANY(:allStaff::uuid[]) AND status = 'unclaimed'
  UNION
  SELECT id, organisation_id, visitor_id, staff_id, status, last_sequence_num, last_internal_num FROM chats
  WHERE organisation_id = ANY(:monitors::uuid[]) AND status <> 'closed'
  UNION
  SELECT id, organisation_id, visitor_id, staff_id, status, last_sequence_num, last_internal_num FROM chats
  WHERE id = ANY(:chatIds::uuid[])
  UNION
  SELECT id, organisation_id, visitor_id, staff_id, status, last_sequence_num, last_internal_num FROM chats
  WHERE visitor_id = ANY(:visitor) AND id >= :sinceId::uuid
  UNION
  SELECT id, organisation_id, visitor_id, staff_id, status, last_sequence_num, last_internal_num FROM chats
  WHERE organisation_id = ANY(:allStaff) AND id >= :sinceId
  UNION
  SELECT id, organisation_id, visitor_id, staff_id, status, last_sequence_num, last_internal_num FROM chats
  WHERE organisation_id = ANY(:monitors) AND internal_at >= to_timestamp(:since::float8)
) chat
ORDER BY id
