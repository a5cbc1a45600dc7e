SELECT to_json(chat) AS "chat!", to_json(visitor) AS "visitor!", to_json(staff) AS staff
FROM chats chat
JOIN visitors visitor ON visitor.id = chat.visitor_id
LEFT JOIN users staff ON staff.id = chat.staff_id
WHERE chat.visitor_id = ANY(:visitorIds::uuid[]) AND chat.status <> 'closed'
