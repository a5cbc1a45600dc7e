import { randomUUID } from "node:crypto";
import type { Heartbeats } from "../presence/heartbeats.ts";
import type { Database } from "./prisma.ts";

const RECORD = `
WITH recorded AS (
  INSERT INTO processes AS known (id, turn, is_heard, alive_until)
  VALUES ($1::uuid, $2::int, $3::boolean, clock_timestamp() + $4::int * interval '1 ms')
  ON CONFLICT (id) DO UPDATE SET turn = excluded.turn, is_heard = excluded.is_heard, alive_until = excluded.alive_until
  WHERE known.turn < excluded.turn
  RETURNING id
)
SELECT to_json(count(*)) FROM recorded`;
const IS_ANY_CUT_OFF = `
SELECT to_json(EXISTS (
  SELECT FROM processes WHERE NOT is_heard AND alive_until + $1::int * interval '1 ms' > clock_timestamp()
))`;
/** The row of a process stays if Redis lacks connections of it: their users keep their grace period. */
const END = `
WITH removed AS (DELETE FROM processes WHERE id = $1::uuid AND is_heard RETURNING id),
ended AS (
  UPDATE processes SET turn = turn + 1, alive_until = clock_timestamp() WHERE id = $1::uuid AND NOT is_heard RETURNING id
)
SELECT to_json((SELECT count(*) FROM removed) + (SELECT count(*) FROM ended))`;
/** Killed processes leave their rows behind. */
const REMOVE_OLD = `
WITH removed AS (DELETE FROM processes WHERE alive_until < clock_timestamp() - interval '1 day' RETURNING id)
SELECT to_json(count(*)) FROM removed`;

/** Keeps one row for each process in PostgreSQL, by PostgreSQL's clock. */
export function createHeartbeats({ queryJson }: Database): Heartbeats {
  const id = randomUUID();
  let turn = 0;
  return {
    async record(isComplete, forMs) {
      const isFirst = turn === 0;
      await queryJson(RECORD, [id, `${++turn}`, `${isComplete}`, `${forMs}`]);
      if (isFirst) await queryJson(REMOVE_OLD, []);
    },
    isAnyCutOff: (graceMs) => queryJson<boolean>(IS_ANY_CUT_OFF, [`${graceMs}`]),
    async end() {
      await queryJson(END, [id]);
    },
  };
}
