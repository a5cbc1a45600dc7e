import pg from "pg";

/** Locks rows as somebody else does who began a transaction and stands still: a frozen process, a person, a backup. */
export type Lock = {
  /** Ends the transaction, and so the locks. */
  commit(): Promise<void>;
  rollback(): Promise<void>;
};

/** Runs `sql` in a transaction that stays open. */
export async function lock(url: string, sql: string): Promise<Lock> {
  const client = new pg.Client({ connectionString: url });
  // A test that fails drops its database, and so ends this connection.
  client.on("error", () => {});
  await client.connect();
  await client.query("BEGIN");
  await client.query(sql);
  const end = async (how: "COMMIT" | "ROLLBACK") => {
    await client.query(how);
    await client.end();
  };
  return { commit: () => end("COMMIT"), rollback: () => end("ROLLBACK") };
}

/** Locks chats; all of them without their ids. */
export const lockChats = (url: string, ids?: string[]): Promise<Lock> =>
  lock(url, `SELECT FROM chats ${ids ? `WHERE id IN (${ids.map((id) => `'${id}'`).join()})` : ""} FOR UPDATE`);
