import { createHmac, generateKeyPairSync, type KeyObject, sign as signBytes } from "node:crypto";
import { createSigner } from "fast-jwt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Visitor } from "../../src/contract/models.ts";
import type { Account } from "../../src/identity/accounts.ts";
import { createTokens, type TokenOptions, type Tokens } from "../../src/identity/tokens.ts";
import { expectRefusal, request } from "../support/http.ts";
import { freshTokenOf } from "../support/people.ts";
import { JWT_SECRET } from "../support/process.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

const invalid = "The access token is invalid or has expired.";
const missing = "The access token is missing: send it in the Authorization header.";
const unknown = "The access token's user doesn't exist or is disabled.";

const pemOf = (key: KeyObject): string =>
  key.export({ type: key.type === "public" ? "spki" : "pkcs8", format: "pem" }) as string;
const keyPairs = {
  RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: generateKeyPairSync("ed25519"),
};
const ISSUER_KEY = pemOf(keyPairs.RS256.publicKey);

let world: World;
let organisation: Organisation;
let visitor: Visitor;

beforeAll(async () => {
  world = await startWorld("one process", { JWT_PUBLIC_KEY: ISSUER_KEY.replaceAll("\n", "\\n") });
  organisation = await world.organisation();
  visitor = await organisation.visitor();
});
afterAll(() => world?.stop());

const now = () => Math.floor(Date.now() / 1000);
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
/** A token made by hand, with any header, claims and signature. */
function forge(header: object, claims: unknown, sign: (input: string) => Buffer | string): string {
  const input = `${encode({ typ: "JWT", ...header })}.${encode(claims)}`;
  const signature = sign(input);
  return `${input}.${typeof signature === "string" ? signature : signature.toString("base64url")}`;
}
const hmac =
  (key: string, hash = "sha256") =>
  (input: string) =>
    createHmac(hash, key).update(input).digest();
const agent = (changes: object = {}) => ({
  ...{ sub: organisation.agent.id, type: "staff", iat: now(), exp: now() + 60 },
  ...changes,
});
const hourMs = 3_600_000;
const optionsOf = (changes: Partial<TokenOptions>): TokenOptions => ({
  ...{ secrets: [JWT_SECRET], publicKeys: [], ttlMs: hourMs, maxAgeMs: { staff: hourMs, visitor: hourMs } },
  ...changes,
});
const agentAccount = async () => (await world.store.accounts.byId("staff", organisation.agent.id)) as Account;
const signed = (changes: object = {}) => forge({ alg: "HS256" }, agent(changes), hmac(JWT_SECRET));
const call = (token: string | undefined, headers: Record<string, string> = {}) =>
  request(world.url(0), "GET /chats", { token, headers });

describe("a token signed by the service's own key", () => {
  test.for([
    ["as it is", (token: string) => token],
    ["after Bearer", (token: string) => `Bearer ${token}`],
    ["after bearer", (token: string) => `bearer ${token}`],
    ["with spaces around", (token: string) => `  Bearer   ${token}  `],
  ] as const)("is accepted %s", async ([, put]) => {
    expect((await call(put(signed()))).status).toBe(200);
    expect((await call(put(tokenOf(visitor)))).status).toBe(200);
  });

  test("names its user only: role and organisation come from the database", async () => {
    const other = await world.organisation();
    const claims = { role_id: 1, organisation_id: other.id, disabled: false };
    const { body } = await request<{ data: { organisation_id: string }[] }>(world.url(0), "GET /users", {
      token: signed(claims),
    });
    expect(new Set(body.data.map(({ organisation_id }) => organisation_id))).toEqual(new Set([organisation.id]));
    const added = await request(world.url(0), "POST /users", {
      token: signed(claims),
      body: { full_name: "x", email: crypto.randomUUID(), password: "password-1", role_id: 3 },
    });
    expectRefusal(added, 403);
  });
});

describe("is refused", () => {
  const none = { alg: "none" };
  const hs256 = { alg: "HS256" };
  test.for<[string, () => string | undefined, string]>([
    ["no token", () => undefined, missing],
    ["an empty one", () => "", missing],
    ["Bearer alone", () => "Bearer ", missing],
    ["another scheme", () => `Basic ${signed()}`, invalid],
    ["no JWT", () => "nonsense", invalid],
    ["three parts that are no JSON", () => "a.b.c", invalid],
    ["two tokens", () => `${signed()} ${signed()}`, invalid],
    ["a token without its signature", () => signed().replace(/[^.]*$/, ""), invalid],
    [
      "a changed signature",
      () => signed().replace(/\.(.)([^.]*)$/, (_, a, b) => `.${a === "x" ? "y" : "x"}${b}`),
      invalid,
    ],
    [
      "changed claims",
      () => signed().replace(/\.[^.]*\./, `.${encode(agent({ sub: organisation.admin.id }))}.`),
      invalid,
    ],
    ["another key", () => forge(hs256, agent(), hmac("another key, also of 32 bytes or more")), invalid],
    ["an empty key", () => forge(hs256, agent(), hmac("")), invalid],
    ["HS512 by the right key", () => forge({ alg: "HS512" }, agent(), hmac(JWT_SECRET, "sha512")), invalid],
    ["alg none", () => forge(none, agent(), () => ""), invalid],
    ["alg none, signed by the right key", () => forge(none, agent(), hmac(JWT_SECRET)), invalid],
    ["alg None", () => forge({ alg: "None" }, agent(), () => ""), invalid],
    ["no alg", () => forge({}, agent(), hmac(JWT_SECRET)), invalid],
    ["HS256 by the issuer's public key", () => forge(hs256, agent(), hmac(ISSUER_KEY)), invalid],
    ["HS256 by the issuer's public key, trimmed", () => forge(hs256, agent(), hmac(ISSUER_KEY.trim())), invalid],
    ["RS256 by the service's key", () => forge({ alg: "RS256" }, agent(), hmac(JWT_SECRET)), invalid],
    ["expired", () => signed({ iat: now() - 60, exp: now() - 1 }), invalid],
    ["no exp", () => signed({ exp: undefined }), invalid],
    ["an exp that is null", () => signed({ exp: null }), invalid],
    ["an exp that is a text", () => signed({ exp: String(now() + 60) }), invalid],
    ["an iat that is a text", () => signed({ iat: String(now()) }), invalid],
    ["no iat", () => signed({ iat: undefined }), invalid],
    ["not valid yet", () => signed({ nbf: now() + 60 }), invalid],
    ["no sub", () => signed({ sub: undefined }), invalid],
    ["no type", () => signed({ type: undefined }), invalid],
    ["claims that are no object", () => forge(hs256, "x", hmac(JWT_SECRET)), invalid],
    ["an unknown type", () => signed({ type: "admin" }), unknown],
    ["a visitor's id as staff", () => signed({ sub: visitor.id }), unknown],
    ["a staff's id as visitor", () => signed({ type: "visitor" }), unknown],
    ["an unknown user", () => signed({ sub: "0".repeat(32) }), unknown],
    ["an id in another form", () => signed({ sub: organisation.agent.id.toUpperCase() }), unknown],
    ["a sub that is no id", () => signed({ sub: "x\u0000" }), unknown],
  ])("%s: 401", async ([, token, sentence]) => {
    expectRefusal(await call(token()), 401, sentence);
    if (sentence !== missing) expectRefusal(await call(`Bearer ${token()}`), 401, sentence);
  });

  test("a disabled user's: 401, also after the user is enabled, who then gets another", async () => {
    const { accounts } = world.store;
    const token = tokenOf(organisation.otherAgent);
    expect((await call(token)).status).toBe(200);
    await accounts.updateStaff(organisation.id, organisation.otherAgent.id, { disabled: true });
    expectRefusal(await call(token), 401, unknown);
    await accounts.updateStaff(organisation.id, organisation.otherAgent.id, { disabled: false });
    expectRefusal(await call(token), 401, invalid);
    expect((await call(await freshTokenOf(world, organisation.otherAgent))).status).toBe(200);
  });

  test("one outside the Authorization header: 401", async () => {
    expectRefusal(await request(world.url(0), `GET /chats?access_token=${signed()}&token=${signed()}`), 401, missing);
    expectRefusal(
      await call(undefined, { Cookie: `access_token=${signed()}`, "X-Access-Token": signed() }),
      401,
      missing,
    );
  });
});

describe("a token of the outside issuer", () => {
  const issue = (changes: object = {}) =>
    createSigner({ key: pemOf(keyPairs.RS256.privateKey), algorithm: "RS256" })(agent(changes));

  test("is accepted, for staff and visitors, together with the service's own", async () => {
    expect((await call(issue())).status).toBe(200);
    expect((await call(`Bearer ${issue({ sub: visitor.id, type: "visitor" })}`)).status).toBe(200);
    expect((await call(signed())).status).toBe(200);
  });

  test.for<[string, () => string, string]>([
    ["expired", () => issue({ exp: now() - 1 }), invalid],
    ["without exp", () => issue({ exp: undefined }), invalid],
    ["of an unknown user", () => issue({ sub: "0".repeat(32) }), unknown],
    ["of the wrong type", () => issue({ type: "visitor" }), unknown],
    [
      "by another issuer's key",
      () =>
        createSigner({
          key: pemOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey),
          algorithm: "RS256",
        })(agent()),
      invalid,
    ],
    [
      "by the right key with another algorithm",
      () => createSigner({ key: pemOf(keyPairs.RS256.privateKey), algorithm: "RS512" })(agent()),
      invalid,
    ],
    [
      "that brings its own key along",
      () => {
        const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
        const header = { alg: "RS256", jwk: publicKey.export({ format: "jwk" }) };
        return forge(header, agent(), (input) => signBytes("sha256", Buffer.from(input), privateKey));
      },
      invalid,
    ],
  ])("%s is 401", async ([, token, sentence]) => {
    expectRefusal(await call(token()), 401, sentence);
  });
});

describe.for(["RS256", "ES256", "EdDSA"] as const)("with a public key for %s", (algorithm) => {
  const { publicKey, privateKey } = keyPairs[algorithm];
  const issue = (by: typeof algorithm = algorithm, changes: object = {}) =>
    createSigner({ key: pemOf(keyPairs[by].privateKey), algorithm: by })(agent(changes));
  let tokens: Tokens;
  beforeAll(() => {
    tokens = createTokens(optionsOf({ publicKeys: [pemOf(publicKey)] }), world.store.accounts);
  });
  const refused = (token: string) => expect(tokens.authenticate(token)).rejects.toThrow(invalid);

  test("accepts the issuer's tokens, and the service's own", async () => {
    const account = { kind: "staff", user: organisation.agent, organisationId: organisation.id };
    expect(await tokens.authenticate(issue())).toMatchObject(account);
    expect(await tokens.authenticate(`Bearer ${issue()}`)).toMatchObject(account);
    const { access_token } = tokens.issue(await agentAccount());
    expect(await tokens.authenticate(access_token)).toMatchObject(account);
  });

  test("refuses all other tokens: expired, by another key, by the public key as a secret, without algorithm", async () => {
    await refused(issue(algorithm, { exp: now() - 1 }));
    for (const other of ["RS256", "ES256", "EdDSA"] as const) if (other !== algorithm) await refused(issue(other));
    await refused(forge({ alg: "HS256" }, agent(), hmac(pemOf(publicKey))));
    await refused(forge({ alg: "none" }, agent(), () => ""));
    const hash = algorithm === "EdDSA" ? null : "sha256";
    await refused(forge({ alg: "HS256" }, agent(), (input) => signBytes(hash, Buffer.from(input), privateKey)));
  });
});

test("without a public key, an outside issuer's token is refused", async () => {
  const tokens = createTokens(optionsOf({}), world.store.accounts);
  const token = createSigner({ key: pemOf(keyPairs.RS256.privateKey), algorithm: "RS256" })(agent());
  await expect(tokens.authenticate(token)).rejects.toThrow(invalid);
});

test("an own token is valid for exactly as long as configured", async () => {
  const tokens = createTokens(optionsOf({ ttlMs: 2_000 }), world.store.accounts);
  const { access_token: token } = tokens.issue(await agentAccount());
  await tokens.authenticate(token);
  await expect.poll(() => tokens.authenticate(token).catch((error) => error.message), { timeout: 5_000 }).toBe(invalid);
});
