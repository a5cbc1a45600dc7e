// The requests of "Try it out" on /docs, on a new database.
import { afterAll, beforeAll, expect, test } from "vitest";
import { request } from "../support/http.ts";
import { type Pod, startPod } from "../support/pod.ts";

type Parameter = { in: string; name: string; required?: boolean; example?: unknown; schema: Record<string, unknown> };
type Operation = {
  operationId: string;
  security: unknown[];
  parameters?: Parameter[];
  requestBody?: { content: { "application/json": { example?: unknown } } };
};
type Document = { paths: Record<string, Record<string, Operation>> };

let pod: Pod;
beforeAll(async () => {
  pod = await startPod({ JWT_SECRET: "" });
});
afterAll(() => pod?.stop());

const exampleOf = ({ name, example, schema }: Parameter): unknown => {
  const [fromSchema] = (schema.examples as unknown[] | undefined) ?? [schema.default];
  const value = example ?? fromSchema;
  if (value === undefined) throw new Error(`${name} has no example`);
  return value;
};

/** With `all`, optional parameters are sent too. */
async function call(method: string, path: string, operation: Operation, token: string, all: boolean) {
  const query = new URLSearchParams();
  let target = path;
  for (const parameter of operation.parameters ?? []) {
    const value = String(exampleOf(parameter));
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, value);
    else if (all) query.set(parameter.name, value);
  }
  const body = operation.requestBody?.content["application/json"].example;
  const options = { ...(operation.security.length > 0 && { token }), ...(body !== undefined && { body }) };
  const { status } = await request(pod.url, `${method.toUpperCase()} ${target}?${query}`, options);
  return status;
}

test("each example in the document succeeds, with and without the optional parameters", async () => {
  const { body: document } = await request<Document>(pod.url, "GET /openapi.json");
  const login = document.paths["/login"]?.post?.requestBody?.content["application/json"].example;
  const { body: admin } = await request<{ access_token: string }>(pod.url, "POST /login", { body: login });
  const answers: Record<string, number[]> = {};
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const first = await call(method, path, operation, admin.access_token, false);
      // A request that creates something can't be repeated.
      const again = operation.parameters ? [await call(method, path, operation, admin.access_token, true)] : [];
      answers[operation.operationId] = [first, ...again];
    }
  }
  expect(answers).toEqual({
    ...{ renewToken: [200], getMe: [200], changeMe: [200] },
    ...{ logInStaff: [200], logInVisitor: [200], createAnonymousVisitor: [200], registerVisitor: [201] },
    ...{ createStaff: [201], changeStaff: [200, 200], listStaff: [200, 200], listChats: [200, 200] },
    // A signature is valid for some minutes, and the caller here is staff.
    ...{
      identifyVisitor: [403],
      createIdentitySecret: [201],
      listIdentitySecrets: [200],
      endIdentitySecret: [404, 404],
    },
    // Chats get ids when visitors write, and the demo data has none yet.
    listMessages: [404, 404],
    ...{ isAlive: [200], isReady: [200], getMetrics: [200] },
  });
});
