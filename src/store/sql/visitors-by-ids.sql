SELECT to_json(visitors) AS "visitor!" FROM visitors WHERE id = ANY(:ids::uuid[]) ORDER BY id
