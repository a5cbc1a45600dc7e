import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import { askRaw, type Call, expectRefusal, request } from "../support/http.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
let organisation: Organisation;
let token: string;
const send = (line: string, call?: Call) => request(world.url(0), line, call);

beforeAll(async () => {
  world = await startWorld("one process");
  organisation = await world.organisation();
  token = tokenOf(organisation.admin);
});
afterAll(() => world?.stop());

const nobody = "0".repeat(32);
const withToken = [
  "POST /users",
  `PATCH /users/${nobody}`,
  "GET /users",
  "GET /chats",
  `GET /chats/${nobody}/messages`,
] as const;
const withBody = ["POST /login", "POST /visitor/login", "POST /anonymous/login", "POST /visitors", "POST /users"];
const tooLarge = JSON.stringify({ name: "x".repeat(1_000_001) });
const missing = "The access token is missing: send it in the Authorization header.";
const invalid = "The access token is invalid or has expired.";

describe("a bad token", () => {
  for (const line of withToken) {
    test(`${line}: is 401`, async () => {
      expectRefusal(await send(line), 401, missing);
      expectRefusal(await send(line, { token: "" }), 401, missing);
      expectRefusal(await send(line, { token: "Bearer" }), 401, missing);
      expectRefusal(await send(line, { token: "nonsense" }), 401, invalid);
    });
  }

  test.for([
    ["a body that isn't JSON", "POST /users", "{"],
    ["a body of the wrong form", "POST /users", "[]"],
    ["a body over 1 MB", "POST /users", tooLarge],
    ["a body of the wrong form", `PATCH /users/${nobody}`, '{"role_id":"x"}'],
  ] as const)("comes before %s: %s", async ([, line, body]) => {
    expectRefusal(await send(line, { body }), 401, missing);
    expectRefusal(await send(line, { token: "nonsense", body }), 401, invalid);
  });

  test.for([
    "GET /users?limit=abc",
    "GET /chats?status=open&visitor_id=x",
    `GET /chats/${nobody}/messages?after=x`,
    "GET /chats/x/messages",
    `GET /chats/${"x".repeat(101)}/messages`,
    "PATCH /users/x",
  ])("comes before a bad query or an unknown id: %s", async (line) => {
    expectRefusal(await send(line), 401, missing);
  });
});

describe("a body", () => {
  for (const line of withBody) {
    test.for([
      ["not JSON", "{", /^Invalid request: .*JSON/],
      ["cut off", '{"name": "x"', /^Invalid request: .*JSON/],
      ["nothing", "", /^Invalid request: .*empty/],
      ["null", "null", "Invalid request: the body must be a JSON object."],
      ["an array", "[]", "Invalid request: the body must be a JSON object."],
      ["a text", '"name"', "Invalid request: the body must be a JSON object."],
      ["an object that would change its prototype", '{"__proto__": {"name": "x"}}', /^Invalid request: /],
    ] as const)(`${line}: %s is 400`, async ([, body, sentence]) => {
      expectRefusal(await send(line, { token, body }), 400, sentence);
    });

    test(`${line}: none at all is 400`, async () => {
      expectRefusal(await send(line, { token }), 400, "Invalid request: the body must be a JSON object.");
    });

    test.for([
      "application/x-www-form-urlencoded",
      "text/plain",
      "multipart/form-data; boundary=x",
      "text/json",
      "x",
      "",
    ])(`${line}: sent as %j instead of JSON it is 415, which says what to send`, async (type) => {
      for (const body of ['{"name": "x"}', "name=x"])
        expectRefusal(
          await send(line, { token, headers: { "Content-Type": type }, body }),
          415,
          refusals.notJson.sentence,
        );
    });

    test(`${line}: without a Content-Type it is 415 as well`, async () => {
      const { status, body } = await askRaw(world.url(0), line.split(" ")[1] as string, {
        ...{ method: "POST", headers: { Authorization: token }, body: '{"name": "x"}' },
      });
      expectRefusal({ status, body: JSON.parse(body), headers: new Headers() }, 415, refusals.notJson.sentence);
    });

    test(`${line}: over 1 MB is 413`, async () => {
      expectRefusal(await send(line, { token, body: tooLarge }), 413, "The request's body is larger than 1 MB.");
    });
  }

  test("with exactly 1 MB is read", async () => {
    const body = JSON.stringify({ name: "visitor", more: "" });
    const answer = await send("POST /anonymous/login", {
      body: body.replace('""', `"${"x".repeat(1_000_000 - body.length)}"`),
    });
    expect(answer.status).toBe(200);
  });

  test("with 20 MB, more than any buffer holds, is 413 and not a broken connection", async () => {
    expectRefusal(await send("POST /login", { body: " ".repeat(20_000_000) }), 413);
  });

  test("over 1 MB without a length is 413", async () => {
    const chunks = async function* () {
      for (let n = 0; n < 200; n++) yield Buffer.alloc(100_000, " ");
    };
    const response = await fetch(`${world.url(0)}/login`, {
      ...{ method: "POST", headers: { "Content-Type": "application/json" } },
      ...{ body: chunks() as never, duplex: "half" },
    });
    expect(response.status).toBe(413);
  });
});

describe("a method that a path doesn't support", () => {
  test.for([
    ["DELETE /users", "GET, HEAD, POST"],
    ["POST /chats", "GET, HEAD"],
    ["GET /users/x", "PATCH"],
    ["PUT /login", "POST"],
    ["DELETE /%6Cogin", "POST"],
    ["OPTIONS /login", "POST"],
    [`PATCH /chats/${nobody}/messages`, "GET, HEAD"],
    ["POST /livez", "GET, HEAD"],
    ["POST /openapi.json", "GET, HEAD"],
  ] as const)("%s is 405 before anything else, and Allow says %s", async ([line, allow]) => {
    for (const call of [{}, { token: "nonsense" }, { token, body: line.startsWith("GET") ? undefined : "{" }]) {
      const answer = await send(line, call);
      expectRefusal(answer, 405, `This path doesn't take that method: use ${allow}.`);
      expect(answer.headers.get("Allow")).toBe(allow);
    }
  });

  test("HEAD is allowed where GET is", async () => {
    expect((await askRaw(world.url(0), "/livez", { method: "HEAD" })).status).toBe(200);
  });
});

test.for(["GET /nothing", "DELETE /nothing", "GET /login/x", "POST /chats/x", "PUT /"])(
  "an unknown route is 404: %s",
  async (line) => {
    expectRefusal(await send(line), 404, "There is no such thing here.");
  },
);

test("an undecodable path is 400, in the form of every error", async () => {
  expectRefusal(await send("GET /chats/%E0%A4%A/messages", { token }), 400, /^Invalid request: /);
});

test("unknown fields of a body and unknown keys of a query are ignored", async () => {
  const body = { name: "visitor", is_anonymous: false, id: nobody, password_hash: "x" };
  const { status, body: answer } = await send("POST /anonymous/login", { body });
  expect({ status, answer }).toMatchObject({ status: 200, answer: { user: { is_anonymous: true } } });
  expect((await send("GET /users?constructor=1&__proto__=2&order=desc", { token })).status).toBe(200);
});
