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
  const ada = (await store.accounts.staffByEmail("ada"))?.user;
  const vera = (await store.accounts.visitorsByEmail("vera"))[0]?.user;
  const nobody = Array.from({ length: 40_000 }, newId);
  expect(await store.accounts.staff([...nobody, ada?.id ?? ""])).toEqual([ada]);
  expect(await store.accounts.visitors([...nobody, vera?.id ?? ""])).toEqual([vera]);
  expect(await store.accounts.staff([])).toEqual([]);
});

test("each of many simultaneous queries gets its own account, however often; an unknown account is null", async () => {
  const { passwordHash: _, ...ada } = (await store.accounts.staffByEmail("ADA")) ?? never();
  const { passwordHash: __, ...vera } = (await store.accounts.visitorsByEmail("vera"))[0] ?? never();
  const asked = [ada, vera, null, ada, ada, vera];
  const found = asked.map((one) => store.accounts.byId(one?.kind ?? "staff", one?.user.id ?? newId()));
  expect(await Promise.all(found)).toEqual(asked);
});

test("an email that an earlier version has stored in another normal form is found, and taken", async () => {
  const [composed, decomposed] = ["zoë@shop.example".normalize("NFC"), "zoë@shop.example".normalize("NFD")];
  const { organisationId } = (await store.accounts.staffByEmail("ada")) ?? never();
  const staff = { organisationId, fullName: "Zoë", displayName: null, roleId: 3, passwordHash: "none" };
  const zoe = await store.accounts.createStaff({ ...staff, email: composed });
  const vera = await store.accounts.createVisitor({
    organisationId,
    name: "Zoë",
    email: composed,
    passwordHash: "none",
  });
  if (zoe === "taken" || vera === "taken") throw new Error("nobody has had this email");
  await connected.prisma.user.update({ where: { id: zoe.id }, data: { email: decomposed, email_key: decomposed } });
  await connected.prisma.visitor.update({ where: { id: vera.id }, data: { email: decomposed, email_key: decomposed } });
  for (const email of [composed, decomposed, composed.toUpperCase(), ` ${decomposed}`]) {
    expect((await store.accounts.staffByEmail(email))?.user.id).toBe(zoe.id);
    expect((await store.accounts.visitorsByEmail(email)).map(({ user }) => user.id)).toEqual([vera.id]);
    expect(await store.accounts.createStaff({ ...staff, email })).toBe("taken");
    expect(await store.accounts.createVisitor({ organisationId, name: "Zoë", email })).toBe("taken");
    const { organisationId: _, ...admin } = { ...staff, email };
    expect(await store.accounts.createOrganisation({ name: "Another", staff: [admin] })).toBe("taken");
  }
  // The account whose email has exactly this form comes first.
  await connected.prisma.user.create({
    data: {
      ...{ id: newId(), organisation_id: organisationId, full_name: "Zoé", role_id: 3, password_hash: "none" },
      ...{ email: composed, email_key: composed },
    },
  });
  expect((await store.accounts.staffByEmail(composed))?.user.full_name).toBe("Zoé");
  expect((await store.accounts.staffByEmail(decomposed))?.user.full_name).toBe("Zoë");
});

function never(): never {
  throw new Error("it was created above");
}
