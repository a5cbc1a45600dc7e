SELECT DISTINCT organisation_id, is_staff AS "is_staff!", user_id AS "user_id!"
FROM chats
CROSS JOIN LATERAL (VALUES (false, visitor_id), (true, staff_id)) AS participant(is_staff, user_id)
WHERE status <> 'closed' AND user_id IS NOT NULL
