import { randomUUID } from "node:crypto";
import { one } from "../platform/postgres/statements.ts";
import type { Heartbeats } from "../presence/heartbeats.ts";
import type { Database } from "./prisma.ts";

/** Keeps one row for each process in PostgreSQL, by PostgreSQL's clock. */
export function createHeartbeats({ run }: Pick<Database, "run">): Heartbeats {
  const id = randomUUID();
  let turn = 0;
  return {
    async record(isComplete, forMs) {
      const isFirst = turn === 0;
      await run("record-process", { id, turn: ++turn, isComplete, forMs });
      if (isFirst) await run("remove-old-processes", {});
    },
    isAnyCutOff: async (graceMs) => one(await run("is-any-process-cut-off", { graceMs })).isAnyCutOff,
    async end() {
      await run("end-process", { id });
    },
  };
}
