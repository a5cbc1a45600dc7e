SELECT to_json(chat) AS "chat!", to_json(visitor) AS "visitor!", to_json(staff) AS staff
FROM unnest(:organisationIds::uuid[]) AS organisation(id)
CROSS JOIN LATERAL (
  SELECT chats AS chat, visitor_id, staff_id, flagged_at, chats.id FROM chats
  WHERE chats.organisation_id = organisation.id AND severity_level <> 0
  ORDER BY flagged_at DESC, chats.id DESC LIMIT 15
) flagged
JOIN visitors visitor ON visitor.id = flagged.visitor_id
LEFT JOIN users staff ON staff.id = flagged.staff_id
ORDER BY flagged.flagged_at DESC, flagged.id DESC
