import { expect, test } from "vitest";
import type { UserRef } from "../../src/identity/user-ref.ts";
import { createMemoryPresence } from "../../src/presence/memory.ts";
import { evicting, someone } from "./evictions.ts";

test("a user who is back during earlier evictions isn't evicted", async () => {
  const presence = createMemoryPresence();
  const users = Array.from({ length: 25 }, someone);
  for (const user of users) {
    await presence.join(user, "a");
    await presence.leave(user, "a", 0);
  }
  const last = users.at(-1) as UserRef;
  const served: UserRef[] = [];
  const { back } = await presence.sweep(
    evicting(async (user) => {
      if (served.push(user) === 1) await presence.join(last, "b");
    }),
  );
  expect(served).toEqual(users.slice(0, -1));
  expect(back).toEqual([]);
  expect((await presence.online(last.organisationId)).users).toEqual([last]);
});
