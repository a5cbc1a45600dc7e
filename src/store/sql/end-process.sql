-- The row of a process stays if Redis lacks connections of it: their users keep their grace period.
WITH removed AS (
  DELETE FROM processes WHERE id = :id::uuid AND is_heard
)
UPDATE processes SET turn = turn + 1, alive_until = clock_timestamp() WHERE id = :id::uuid AND NOT is_heard
