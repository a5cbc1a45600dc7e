INSERT INTO processes AS known (id, turn, is_heard, alive_until)
VALUES (:id::uuid, :turn::int, :isComplete::boolean, clock_timestamp() + :forMs::int * interval '1 ms')
ON CONFLICT (id) DO UPDATE SET turn = excluded.turn, is_heard = excluded.is_heard, alive_until = excluded.alive_until
WHERE known.turn < excluded.turn
