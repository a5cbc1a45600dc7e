// Long because all cases use the same two services, whose start takes longer than most cases.
import { createHmac, generateKeyPairSync } from "node:crypto";
import { createDecoder, createSigner } from "fast-jwt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import type { Visitor } from "../../src/contract/models.ts";
import { expectRefusal, fields, request } from "../support/http.ts";
import { identify, newSecret, signIdentity } from "../support/identities.ts";
import { readSeries, sumOf } from "../support/metrics.ts";
import { newPerson } from "../support/people.ts";
import { JWT_SECRET } from "../support/process.ts";
import { runSql } from "../support/servers.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
let organisation: Organisation;
let secret: string;
beforeAll(async () => {
  world = await startWorld("two pods");
  organisation = await world.organisation();
  ({ secret } = await newSecret(world, organisation));
});
afterAll(() => world?.stop());

const now = () => Math.floor(Date.now() / 1000);
const unique = () => crypto.randomUUID();
/** From an address of its own, so that refusals of different tests don't add up. */
let address = 0;
const elsewhere = () => ({ headers: { "X-Forwarded-For": `203.0.${++address >> 8}.${address & 255}` } });
const come = (claims: Record<string, unknown>, token?: string) =>
  identify(world, organisation, signIdentity(secret, claims), { token, ...elsewhere() });
const decode = createDecoder();

test("a new external id makes a visitor with the claims; the same id finds them again, on every pod", async () => {
  const external_id = unique();
  const email = `Kim.${unique()}@Shop.example`;
  const made = await come({ external_id, name: "Kim", email, attributes: { plan: "gold" } });
  expect(made.status).toBe(200);
  const { user, access_token, refresh_token, joined } = made.body;
  expect(Object.keys(user)).toEqual(fields.visitor);
  expect(user).toMatchObject({ name: "Kim", email, is_anonymous: false, disabled: false, updated_at: null });
  expect(joined).toBe(false);
  expect(decode(access_token)).toMatchObject({ sub: user.id, type: "visitor" });
  expect((await request(world.url(1), "GET /chats", { token: access_token })).status).toBe(200);
  expect((await request(world.url(1), "POST /token", { token: refresh_token })).status).toBe(200);
  expect((await request(world.url(1), "GET /chats", { token: refresh_token })).status).toBe(401);

  const again = await identify(world, organisation, signIdentity(secret, { external_id }), { pod: 1 });
  expect(again.body.user).toEqual(user);
  const changed = await come({ external_id, name: "Kim Lee", email: null, attributes: null });
  expect(changed.body.user).toEqual({ ...user, name: "Kim Lee", updated_at: expect.any(Number) });
  const stored = await runSql<{ attributes: unknown }>(
    world.databaseUrl,
    `SELECT attributes FROM visitor_identities WHERE external_id = '${external_id}'`,
  );
  expect(stored).toEqual([{ attributes: { plan: "gold" } }]);
});

test("without organisation and caller it is the oldest one; a caller's own one otherwise", async () => {
  const line = "POST /visitor/identify";
  const body = { identity_token: signIdentity(secret, { external_id: unique() }) };
  const first = await runSql<{ id: string }>(
    world.databaseUrl,
    "SELECT id FROM organisations ORDER BY created_at LIMIT 1",
  );
  expect(first[0]?.id.replaceAll("-", "")).toBe(organisation.id);
  expect((await request(world.url(0), line, { body })).status).toBe(200);
  const other = await world.organisation();
  const { secret: theirs } = await newSecret(world, other);
  const identity_token = signIdentity(theirs, { external_id: unique() });
  expectRefusal(await request(world.url(0), line, { body: { identity_token } }), 401);
  const token = tokenOf(await other.visitor());
  expect((await request(world.url(0), line, { body: { identity_token }, token })).status).toBe(200);
});

test.each([
  ["case", "Ab", "ab"],
  ["blanks", "a b", "a b "],
  ["Unicode's normal form", "caf\u00e9", "cafe\u0301"],
  ["leading zeros", "7", "07"],
])("ids that differ by %s are different people", async (_, one, other) => {
  const prefix = unique();
  const [a, b] = [await come({ external_id: prefix + one }), await come({ external_id: prefix + other })];
  expect([a.status, b.status]).toEqual([200, 200]);
  expect(a.body.user.id).not.toBe(b.body.user.id);
});

test("the same external id of two organisations is two people", async () => {
  const other = await world.organisation();
  const { secret: theirs } = await newSecret(world, other);
  const external_id = unique();
  const mine = await come({ external_id });
  const their = await identify(world, other, signIdentity(theirs, { external_id }));
  expect(mine.body.user.id).not.toBe(their.body.user.id);
});

test("255 characters of any language, and names of 200, are kept", async () => {
  const external_id = "\u{1f600}".repeat(100) + unique();
  const name = "\u00fc".repeat(200);
  expect((await come({ external_id, name })).body.user.name).toBe(name);
  expect((await come({ external_id })).body.user.name).toBe(name);
});

test("without a name a new visitor has the caller's, or else a general one", async () => {
  const caller = await organisation.visitor("Vera");
  expect((await come({ external_id: unique() }, tokenOf(caller))).body.user.name).toBe("Vera");
  expect((await come({ external_id: unique() })).body.user.name).toBe("Visitor");
});

describe("an email of another account of the organisation is left out", () => {
  test("when it is new, in any form; the account isn't touched", async () => {
    const person = await newPerson(world, organisation, "visitor");
    const { body } = await come({ external_id: unique(), name: "Eve", email: person.email.toUpperCase() });
    expect(body.user).toMatchObject({ name: "Eve", email: null });
    expect(body.user.id).not.toBe(person.id);
    expect((await world.store.accounts.byId("visitor", person.id))?.user).toMatchObject({ name: "Kim" });
  });

  test("when it changes: the former one stays", async () => {
    const person = await newPerson(world, organisation, "visitor");
    const [external_id, email] = [unique(), `${unique()}@shop.example`];
    await come({ external_id, email });
    expect((await come({ external_id, email: person.email, name: "Eve" })).body.user).toMatchObject({
      email,
      name: "Eve",
    });
  });

  test("when two new visitors come with it at once: one of them has it", async () => {
    const email = `${unique()}@shop.example`;
    const both = await Promise.all([1, 2].map(() => come({ external_id: unique(), email })));
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    expect(both.map(({ body }) => body.user.email).sort()).toEqual([email, null].sort());
  });

  test("but the same email in another organisation is no matter", async () => {
    const person = await newPerson(world, await world.organisation(), "visitor");
    expect((await come({ external_id: unique(), email: person.email })).body.user.email).toBe(person.email);
  });
});

test("twenty calls at once with one new external id make one visitor", async () => {
  const external_id = unique();
  const all = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      identify(world, organisation, signIdentity(secret, { external_id, name: `N${n}` }), { pod: n % 2 }),
    ),
  );
  expect(all.map(({ status }) => status)).toEqual(all.map(() => 200));
  expect(new Set(all.map(({ body }) => body.user.id)).size).toBe(1);
});

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const { publicKey, privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});
/** Signed by hand, with any header. */
const byHand = (header: object, claims: object, key: string) => {
  const signed = `${base64(header)}.${base64(claims)}`;
  return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
};
const claims = () => ({ external_id: "7", exp: now() + 60 });

const NOT_SIGNED = "it isn't signed by HS256 with a valid identity secret of the organisation";
describe("an identity token is a 401, and makes nobody", () => {
  const bad: [what: string, make: () => unknown, why: string][] = [
    ["no token", () => "", NOT_SIGNED],
    ["another text", () => "not a token", NOT_SIGNED],
    ["another key", () => signIdentity(`${secret}!`, claims()), NOT_SIGNED],
    ["the key of the service's own tokens", () => signIdentity(JWT_SECRET, claims()), NOT_SIGNED],
    ["an empty key", () => byHand({ alg: "HS256", typ: "JWT" }, claims(), ""), NOT_SIGNED],
    ["no algorithm", () => `${base64({ alg: "none", typ: "JWT" })}.${base64(claims())}.`, NOT_SIGNED],
    ["alg none, rightly signed", () => byHand({ alg: "none", typ: "JWT" }, claims(), secret), NOT_SIGNED],
    ["alg RS256, signed by the secret", () => byHand({ alg: "RS256", typ: "JWT" }, claims(), secret), NOT_SIGNED],
    ["a private key's signature", () => createSigner({ key: privateKey, algorithm: "RS256" })(claims()), NOT_SIGNED],
    ["the public key as the secret", () => byHand({ alg: "HS256", typ: "JWT" }, claims(), publicKey), NOT_SIGNED],
    ["HS512", () => createSigner({ key: secret, algorithm: "HS512" })(claims()), NOT_SIGNED],
    [
      "a changed claim",
      () => signIdentity(secret, claims()).replace(/\.[^.]+\./, `.${base64({ ...claims(), external_id: "8" })}.`),
      NOT_SIGNED,
    ],
    ["a token that has expired", () => signIdentity(secret, { external_id: "7", exp: now() - 1 }), "it has expired"],
    [
      "one for more than 10 minutes",
      () => signIdentity(secret, { external_id: "7", exp: now() + 602 }),
      "exp is more than 10 minutes ahead",
    ],
    [
      "one without end",
      () => signIdentity(secret, { external_id: "7", exp: undefined }),
      "exp must be a number of seconds since 1970",
    ],
    [
      "one that ends never",
      () => byHand({ alg: "HS256", typ: "JWT" }, { external_id: "7", exp: 1e300 }, secret),
      "exp is more than 10 minutes ahead",
    ],
    [
      "exp as a text",
      () => byHand({ alg: "HS256", typ: "JWT" }, { external_id: "7", exp: `${now() + 60}` }, secret),
      "exp must be a number of seconds since 1970",
    ],
  ];
  test.each(bad)("with %s", async (_, make, why) => {
    const count = () => runSql<{ n: string }>(world.databaseUrl, "SELECT count(*) AS n FROM visitors");
    const before = await count();
    const answer = await identify(world, organisation, make(), elsewhere());
    expectRefusal(answer, 401, refusals.invalidIdentity.sentence.replace("{why}", why));
    expect(await count()).toEqual(before);
  });

  const badClaims: [what: string, claims: Record<string, unknown>, why: string | RegExp][] = [
    ["no external id", { external_id: undefined }, /external_id must be a text of 1 to 255 characters/],
    ["an empty one", { external_id: "" }, /external_id must be/],
    ["one of 256 characters", { external_id: "x".repeat(256) }, /external_id must be/],
    ["a number as the id", { external_id: 7 }, /external_id must be/],
    ["null as the id", { external_id: null }, /external_id must be/],
    ["a list as the id", { external_id: ["7"] }, /external_id must be/],
    ["NUL in the id", { external_id: "a\u0000b" }, /external_id must be/],
    ["half of a character in the id", { external_id: "a\ud800" }, /half of a character/],
    ["an empty name", { name: "" }, /name must be a text of 1 to 200 characters/],
    ["a name of 201 characters", { name: "x".repeat(201) }, /name must be/],
    ["an object as the name", { name: {} }, /name must be/],
    ["an email with a space", { email: "a b@shop.example" }, /email must be/],
    ["a number as the email", { email: 5 }, /email must be/],
    ["a list as attributes", { attributes: [1] }, /attributes must be an object/],
    ["a text as attributes", { attributes: "gold" }, /attributes must be an object/],
    ["attributes over 4 KB", { attributes: { a: "\u00fc".repeat(2_050) } }, /attributes must have at most 4096 bytes/],
    ["half of a character in attributes", { attributes: { "a\udfff": 1 } }, /half of a character/],
  ];
  test.each(badClaims)("with %s", async (_, bad, why) => {
    const header = { alg: "HS256", typ: "JWT" };
    const answer = await identify(world, organisation, byHand(header, { ...claims(), ...bad }, secret), elsewhere());
    expectRefusal(answer, 401, why);
  });

  test("with another organisation's secret", async () => {
    const other = await world.organisation();
    const { secret: theirs } = await newSecret(world, other);
    expectRefusal(await identify(world, organisation, signIdentity(theirs, claims()), elsewhere()), 401);
  });

  test("for an organisation without a secret", async () => {
    const other = await world.organisation();
    for (const key of ["", "undefined", secret])
      expectRefusal(await identify(world, other, byHand({ alg: "HS256" }, claims(), key), elsewhere()), 401);
  });

  test("for a visitor who is disabled", async () => {
    const external_id = unique();
    const { user } = (await come({ external_id })).body;
    await runSql(world.databaseUrl, `UPDATE visitors SET disabled = true WHERE id = '${user.id}'`);
    expectRefusal(await come({ external_id }), 401, /its visitor is disabled/);
  });
});

test("attributes of 4 KB with any key and depth are stored", async () => {
  const nested = JSON.parse(`${"[".repeat(1_900)}${"]".repeat(1_900)}`) as unknown;
  for (const attributes of [{ nested }, { __proto__: null, constructor: 1, "\u0000": "\u0000" }, {}])
    expect((await come({ external_id: unique(), attributes })).status).toBe(200);
});

describe("a body", () => {
  test.each([
    ["without a token", {}, 400],
    ["with a number as the token", { identity_token: 5 }, 400],
    ["with a token of 20 KB", { identity_token: "x".repeat(20_000) }, 400],
    ["with an unknown organisation", { identity_token: "x", organisation_id: "0".repeat(32) }, 404],
    ["with no possible organisation", { identity_token: "x", organisation_id: "'" }, 404],
    ["over 1 MB", { identity_token: "x".repeat(1_100_000) }, 413],
  ])("%s is refused", async (_, body, status) => {
    expectRefusal(await request(world.url(0), "POST /visitor/identify", { body }), status);
  });
});

describe("a caller", () => {
  test.each([
    ["with a bad token", () => "not a token", 401],
    ["with an empty header", () => "", 401],
    ["who is staff", () => tokenOf(organisation.agent), 403],
  ])("%s is refused before anything else", async (_, token, status) => {
    const body = "not even JSON";
    expectRefusal(await request(world.url(0), "POST /visitor/identify", { body, token: token() }), status);
  });

  test("registered, or identified already, or from another organisation, stays another person", async () => {
    const person = await newPerson(world, organisation, "visitor");
    const registered = (await world.store.accounts.byId("visitor", person.id))?.user as Visitor;
    const known = (await come({ external_id: unique() })).body.user;
    const foreign = await (await world.organisation()).visitor();
    for (const caller of [registered, known, foreign]) {
      const { status, body } = await come({ external_id: unique() }, tokenOf(caller));
      expect({ status, joined: body.joined }).toEqual({ status: 200, joined: false });
      expect(body.user.id).not.toBe(caller.id);
      expect((await request(world.url(0), "GET /chats", { token: tokenOf(caller) })).status).toBe(200);
    }
  });
});

test("the hundred-and-first refused one of an address is 429 on every pod; others go on, and so do logins there", async () => {
  const headers = { "X-Forwarded-For": "198.51.100.7" };
  const bad = (n: number) => identify(world, organisation, "not a token", { pod: n % 2, headers });
  for (let n = 0; n < 100; n += 20) {
    const some = await Promise.all(Array.from({ length: 20 }, (_, i) => bad(i)));
    expect(some.map(({ status }) => status)).toEqual(some.map(() => 401));
  }
  for (const pod of [0, 1]) {
    expectRefusal(await bad(pod), 429, /Too many failed logins/);
    const good = signIdentity(secret, { external_id: unique() });
    expect((await identify(world, organisation, good, { pod, headers })).status).toBe(429);
    expect((await identify(world, organisation, good, { pod, ...elsewhere() })).status).toBe(200);
  }
  const body = { email: "nobody@shop.example", password: "wrong-1234" };
  expect((await request(world.url(0), "POST /login", { body, headers })).status).toBe(401);
  const refused = sumOf(await readSeries(world.url(0)), "chat_logins_refused_total", { reason: "invalidIdentity" });
  expect(refused).toBeGreaterThanOrEqual(50);
});

test("right tokens are never counted", async () => {
  const headers = { "X-Forwarded-For": "198.51.100.8" };
  for (let n = 0; n < 6; n++) {
    const some = await Promise.all(
      Array.from({ length: 20 }, () =>
        identify(world, organisation, signIdentity(secret, { external_id: unique() }), { headers }),
      ),
    );
    expect(some.map(({ status }) => status)).toEqual(some.map(() => 200));
  }
});
