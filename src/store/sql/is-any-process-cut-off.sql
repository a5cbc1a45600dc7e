SELECT EXISTS (
  SELECT FROM processes
  WHERE NOT is_heard AND alive_until + :graceMs::int * interval '1 ms' > clock_timestamp()
) AS "isAnyCutOff!"
