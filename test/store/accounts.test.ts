import { afterAll, beforeAll, expect, test } from "vitest";
import { connectPostgres, type Database } from "../../src/store/prisma.ts";
import { createStore, newId, type Store } from "../../src/store/store.ts";
import { createDatabase } from "../support/services.ts";

let database: Awaited<ReturnType<typeof createDatabase>>;
let connected: Database;
let store: Store;
beforeAll(async () => {
  database = await createDatabase();
  connected = connectPostgres(database.url);
  store = createStore(connected);
  await store.accounts.createOrganisation({
    name: "Shop",
    staff: [{ fullName: "Ada", displayName: null, email: "ada", roleId: 1, passwordHash: "none" }],
    visitors: [{ name: "Vera", email: "vera", passwordHash: "none" }],
  });
});
afterAll(async () => {
  await connected?.close();
  await database?.drop();
});

test("people are read by more ids than a statement may have parameters; unknown ones are left out", async () => {
  const ada = (await store.accounts.byEmail("staff", "ada"))?.user;
  const vera = (await store.accounts.byEmail("visitor", "vera"))?.user;
  const nobody = Array.from({ length: 40_000 }, newId);
  expect(await store.accounts.staff([...nobody, ada?.id ?? ""])).toEqual([ada]);
  expect(await store.accounts.visitors([...nobody, vera?.id ?? ""])).toEqual([vera]);
  expect(await store.accounts.staff([])).toEqual([]);
});

test("accounts asked for at once are each one's own, however often; one that there isn't is null", async () => {
  const { passwordHash: _, ...ada } = (await store.accounts.byEmail("staff", "ADA")) ?? never();
  const { passwordHash: __, ...vera } = (await store.accounts.byEmail("visitor", "vera")) ?? never();
  const asked = [ada, vera, null, ada, ada, vera];
  const found = asked.map((one) => store.accounts.byId(one?.kind ?? "staff", one?.user.id ?? newId()));
  expect(await Promise.all(found)).toEqual(asked);
});

function never(): never {
  throw new Error("it was created above");
}
