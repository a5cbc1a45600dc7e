SELECT id FROM chats WHERE visitor_id = :visitorId::uuid AND status <> 'closed'
