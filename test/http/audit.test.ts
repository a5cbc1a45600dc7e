// Each created or changed account is one line in the log, at the default level, without names and passwords.
import { afterAll, beforeAll, expect, test } from "vitest";
import { request, type Single } from "../support/http.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
let organisation: Organisation;
beforeAll(async () => {
  world = await startWorld("one process");
  organisation = await world.organisation();
});
afterAll(() => world?.stop());

const accountLines = () =>
  (world.pods[0]?.output() ?? "")
    .split("\n")
    .filter((line) => line.includes('"event":"account"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test("created, changed, new role, new password, disabled: the line has caller, account, change and address", async () => {
  const { admin, id } = organisation;
  const headers = { "X-Forwarded-For": "203.0.113.7" };
  const call = (line: string, body: object, token?: string) =>
    request<Single<{ id: string }>>(world.url(0), line, { headers, body, token });
  const secret = { password: "s3cret-password-1" };
  const email = () => `${crypto.randomUUID()}@people.example`;
  const person = { full_name: "Ada Secret", email: email(), role_id: 3, ...secret };
  const target = (await call("POST /users", person, tokenOf(admin))).body.data.id;
  const change = (body: object) => call(`PATCH /users/${target}`, body, tokenOf(admin));
  await change({ full_name: "Ada Altered", role_id: 2 });
  await change(secret);
  await change({ disabled: true });
  const visitor = { name: "Vera Secret", email: email(), organisation_id: id, ...secret };
  const made = (await call("POST /visitors", visitor)).body.data.id;
  // A refused request changes nothing, nor does a form with the same values.
  await change({});
  await change({ full_name: "Ada Altered", role_id: 2, disabled: true });
  await call("POST /users", person, tokenOf(admin));
  await call("PATCH /users/nobody", secret, tokenOf(admin));

  const by = { level: "info", by: admin.id, address: "203.0.113.7", organisation: id, target };
  await expect.poll(accountLines).toHaveLength(5);
  expect(accountLines()).toMatchObject([
    { ...by, what: "staffCreated", role: { to: 3 } },
    { ...by, what: "staffChanged", fields: ["full_name", "role_id"], role: { from: 3, to: 2 } },
    { ...by, what: "staffChanged", fields: ["password"] },
    { ...by, what: "staffChanged", fields: ["disabled"], disabled: true },
    { ...by, what: "visitorCreated", by: null, target: made },
  ]);
  for (const line of accountLines()) expect(line.request).toMatch(/./);
  for (const word of ["Secret", "Altered", "s3cret", "people.example"])
    expect(world.pods[0]?.output()).not.toContain(word);
});
