import { randomUUID } from "node:crypto";
import type { Witness } from "../presence/witness.ts";
import type { Database } from "./prisma.ts";

const SAY = `
WITH said AS (
  INSERT INTO processes AS known (id, turn, is_heard, alive_until)
  VALUES ($1::uuid, $2::int, $3::boolean, clock_timestamp() + $4::int * interval '1 ms')
  ON CONFLICT (id) DO UPDATE SET turn = excluded.turn, is_heard = excluded.is_heard, alive_until = excluded.alive_until
  WHERE known.turn < excluded.turn
  RETURNING id
)
SELECT to_json(count(*)) FROM said`;
const IS_ANYBODY_UNHEARD = `
SELECT to_json(EXISTS (
  SELECT FROM processes WHERE NOT is_heard AND alive_until + $1::int * interval '1 ms' > clock_timestamp()
))`;
/** The users of a process that Redis doesn't know keep their grace after its end, and so its row stays. */
const END = `
WITH removed AS (DELETE FROM processes WHERE id = $1::uuid AND is_heard RETURNING id),
ended AS (
  UPDATE processes SET turn = turn + 1, alive_until = clock_timestamp() WHERE id = $1::uuid AND NOT is_heard RETURNING id
)
SELECT to_json((SELECT count(*) FROM removed) + (SELECT count(*) FROM ended))`;
/** Processes that were killed leave their rows behind. */
const REMOVE_OLD = `
WITH removed AS (DELETE FROM processes WHERE alive_until < clock_timestamp() - interval '1 day' RETURNING id)
SELECT to_json(count(*)) FROM removed`;

/** Keeps in PostgreSQL one row for each process, by PostgreSQL's clock. */
export function createWitness({ queryJson }: Database): Witness {
  const id = randomUUID();
  let turn = 0;
  return {
    async say(isHeard, forMs) {
      const isFirst = turn === 0;
      await queryJson(SAY, [id, `${++turn}`, `${isHeard}`, `${forMs}`]);
      if (isFirst) await queryJson(REMOVE_OLD, []);
    },
    isAnybodyUnheard: (graceMs) => queryJson<boolean>(IS_ANYBODY_UNHEARD, [`${graceMs}`]),
    async end() {
      await queryJson(END, [id]);
    },
  };
}
