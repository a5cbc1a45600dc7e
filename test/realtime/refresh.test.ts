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

test("a connection that couldn't get its snapshot is tried again each second, and a closed connection isn't", async () => {
  let isBack = false;
  const later = connectionWith(async () => isBack);
  const closed = connectionWith(async () => false);
  const connections = new Set([later, closed]);
  const refreshed = createRefresh(connections, () => {})();
  await expect.poll(() => later.count).toBe(1);
  connections.delete(closed);
  isBack = true;
  await refreshed;
  expect([later.count, closed.count]).toEqual([2, 1]);
});

test("a refresh that is requested while another one is under way runs once more", async () => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const slow = connectionWith(() => promise);
  const refreshAll = createRefresh(new Set([slow]), () => {});
  const all = [refreshAll(), refreshAll(), refreshAll()];
  resolve(true);
  await Promise.all(all);
  expect(slow.count).toBe(2);
});
