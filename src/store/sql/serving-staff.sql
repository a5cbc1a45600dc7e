-- The staff member who serves a chat now. No row where nobody does.
SELECT to_json(staff) AS "staff!"
FROM chats chat
JOIN users staff ON staff.id = chat.staff_id
WHERE chat.id = :chatId::uuid AND chat.organisation_id = :organisationId::uuid AND chat.status = 'claimed'
