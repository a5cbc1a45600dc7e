-- One array is one parameter: of an `in` PostgreSQL takes no more than 32,767.
SELECT to_json(users) AS "staff!" FROM users WHERE id = ANY(:ids::uuid[]) ORDER BY id
