import { expect, test } from "vitest";
import { createRefresh } from "../../src/realtime/refresh.ts";

/** A connection, and how often it was refreshed. */
function connectionWith(refresh: () => Promise<boolean>) {
  const connection = {
    count: 0,
    refresh() {
      connection.count++;
      return refresh();
    },
  };
  return connection;
}

test("a connection that throws, or never answers, keeps no other one from its snapshot, then or later", async () => {
  const throwing = connectionWith(() => {
    throw new Error("this one");
  });
  const silent = connectionWith(() => new Promise(() => {}));
  const fine = connectionWith(async () => true);
  const connections = new Set([throwing, silent, fine]);
  const faults: unknown[] = [];
  const refreshAll = createRefresh(connections, (error) => faults.push(error));
  void refreshAll();
  await expect.poll(() => [fine.count, faults]).toEqual([1, [new Error("this one")]]);
  void refreshAll();
  await expect.poll(() => fine.count).toBe(2);
  connections.delete(throwing);
});

test("a connection to which it couldn't be sent has another try each second, and one that is gone none", async () => {
  let isBack = false;
  const later = connectionWith(async () => isBack);
  const gone = connectionWith(async () => false);
  const connections = new Set([later, gone]);
  const refreshed = createRefresh(connections, () => {})();
  await expect.poll(() => later.count).toBe(1);
  connections.delete(gone);
  isBack = true;
  await refreshed;
  expect([later.count, gone.count]).toEqual([2, 1]);
});

test("one that is asked for while it is under way is sent once more", async () => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const slow = connectionWith(() => promise);
  const refreshAll = createRefresh(new Set([slow]), () => {});
  const all = [refreshAll(), refreshAll(), refreshAll()];
  resolve(true);
  await Promise.all(all);
  expect(slow.count).toBe(2);
});
