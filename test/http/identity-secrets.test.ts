import { afterAll, beforeAll, expect, test } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import { expectRefusal, type Page, request, type Single } from "../support/http.ts";
import { identify, newSecret, type Secret, signIdentity } from "../support/identities.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld("two pods");
});
afterAll(() => world?.stop());

const PATH = "/organisation/identity-secrets";
const call = <Body>(line: string, token?: string, pod = 0) => request<Body>(world.url(pod), line, { token });
type Ended = Omit<Secret, "secret"> & { ended_at: number };

test("an admin makes two, sees them without their keys, and ends them; all are of that organisation only", async () => {
  const [mine, theirs] = [await world.organisation(), await world.organisation()];
  const token = tokenOf(mine.admin);
  const made = [await newSecret(world, mine), await newSecret(world, mine)];
  for (const one of made) {
    expect(Object.keys(one)).toEqual(["id", "secret", "created_at"]);
    expect(one.secret).toMatch(/^[\w-]{43}$/);
    expect(Math.abs(one.created_at - Date.now())).toBeLessThan(60_000);
  }
  const shown = made.map(({ id, created_at }) => ({ id, created_at }));
  expectRefusal(await call(`POST ${PATH}`, token), 409, refusals.tooManySecrets.sentence);
  expect((await call(`GET ${PATH}`, token, 1)).body).toEqual({ data: shown, links: { next: null } });
  expect((await call<Page<object>>(`GET ${PATH}`, tokenOf(theirs.admin))).body.data).toEqual([]);

  const [first] = made as [Secret];
  expectRefusal(await call(`DELETE ${PATH}/${first.id}`, tokenOf(theirs.admin)), 404);
  const ended = await call<Single<Ended>>(`DELETE ${PATH}/${first.id}`, token);
  expect(ended.status).toBe(200);
  expect(ended.body.data).toEqual({ ...shown[0], ended_at: expect.any(Number) });
  expect((await call(`DELETE ${PATH}/${first.id}`, token)).body).toEqual(ended.body);
  expect((await call<Page<object>>(`GET ${PATH}`, token)).body.data).toEqual(shown.slice(1));
  expect((await call(`POST ${PATH}`, token)).status).toBe(201);
});

test.each(["supervisor", "agent"] as const)("%s gets a 403, and so does a visitor", async (name) => {
  const organisation = await world.organisation();
  const { id } = await newSecret(world, organisation);
  for (const line of [`POST ${PATH}`, `GET ${PATH}`, `DELETE ${PATH}/${id}`]) {
    expectRefusal(await call(line, tokenOf(organisation[name])), 403, refusals.notAllowed.sentence);
    expectRefusal(await call(line, tokenOf(await organisation.visitor())), 403, refusals.staffOnly.sentence);
    expectRefusal(await call(line, "not a token"), 401);
    expectRefusal(await call(line), 401);
  }
});

test.each(["nobody", "0".repeat(32), "%00"])("an unknown id is a 404: %s", async (id) => {
  const { admin } = await world.organisation();
  expectRefusal(await call(`DELETE ${PATH}/${id}`, tokenOf(admin)), 404, refusals.notFound.sentence);
});

test("ten made at once on both pods give two", async () => {
  const { admin } = await world.organisation();
  const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => call(`POST ${PATH}`, tokenOf(admin), n % 2)));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, ...Array(8).fill(409)]);
  expect((await call<Page<object>>(`GET ${PATH}`, tokenOf(admin))).body.data).toHaveLength(2);
});

test("an ended one is refused at once on every pod, while the other one goes on", async () => {
  const organisation = await world.organisation();
  const [old, next] = [await newSecret(world, organisation), await newSecret(world, organisation)];
  const statusOf = async ({ secret }: Secret, pod: number) =>
    (await identify(world, organisation, signIdentity(secret, { external_id: "7" }), { pod })).status;
  for (const pod of [0, 1]) expect([await statusOf(old, pod), await statusOf(next, pod)]).toEqual([200, 200]);
  await call(`DELETE ${PATH}/${old.id}`, tokenOf(organisation.admin));
  for (const pod of [0, 1]) expect([await statusOf(old, pod), await statusOf(next, pod)]).toEqual([401, 200]);
});

test("a page of another site may call DELETE", async () => {
  const open = await startWorld("one process", { CORS_ORIGINS: "https://shop.example" });
  const headers = { Origin: "https://shop.example", "Access-Control-Request-Method": "DELETE" };
  const { headers: answered } = await fetch(`${open.url(0)}${PATH}/x`, { method: "OPTIONS", headers });
  expect(answered.get("access-control-allow-methods")).toContain("DELETE");
  await open.stop();
});
