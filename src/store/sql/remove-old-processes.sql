-- Killed processes leave their rows behind.
DELETE FROM processes WHERE alive_until < clock_timestamp() - interval '1 day'
