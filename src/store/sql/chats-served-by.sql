SELECT id FROM chats WHERE staff_id = :staffId::uuid AND status = 'claimed' ORDER BY id
