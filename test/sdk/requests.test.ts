import { expect, test } from "vitest";
import { settle } from "./cast.ts";
import { tokenFor } from "./line.ts";
import { start } from "./one-visitor.ts";

/** Reads the first message of a chat's history. */
const read = ({ client }: ReturnType<typeof start>, signal?: AbortSignal) => {
  const first = client.history("c1", signal ? { signal } : {}).next();
  first.catch(() => {});
  return first;
};
const empty = { status: 200, body: { data: [], links: { next: null } } };

test("calls whose token is refused fetch one token together, and are repeated with it", async () => {
  const causes: string[] = [];
  const token = async (cause: string) => tokenFor("v1", { n: causes.push(cause) });
  const client = start({ token });
  await client.accept();
  client.line.answers(async (_, call) => (call.token === tokenFor("v1", { n: 2 }) ? empty : { status: 401, body: {} }));
  const reads = [read(client), read(client), read(client)];
  await settle();
  for (const one of await Promise.all(reads)) expect(one).toEqual({ done: true, value: undefined });
  expect(causes).toEqual(["start", "refused"]);
  expect(client.line.calls).toHaveLength(6);
  // The open connection is still that of the first token.
  expect(client.line.wires).toHaveLength(1);
  expect(client.connection()).toEqual({ state: "online" });
});

test("a call that is refused with the next token as well fails, and isn't repeated for ever", async () => {
  const client = start();
  await client.accept();
  client.line.answers(async () => ({ status: 401, body: { error_message: "No." } }));
  await expect(read(client)).rejects.toMatchObject({ text: "No.", retryable: false });
  expect(client.line.calls).toHaveLength(2);
});

test.each([
  [
    { status: 0, body: undefined },
    { code: "network", retryable: true },
  ],
  [
    { status: 503, body: { error_message: "Later." } },
    { text: "Later.", retryable: true },
  ],
  [{ status: 404, body: { error_message: "There is no such thing here." } }, { retryable: false }],
  [
    { status: 502, body: undefined },
    { text: "HTTP 502", retryable: true },
  ],
])("the answer %o is the error %o", async (answer, error) => {
  const client = start();
  await client.accept();
  client.line.answers(async () => answer);
  await expect(read(client)).rejects.toMatchObject(error);
});

test("a call ends by its signal, and by stop(), with the reason", async () => {
  const client = start();
  await client.accept();
  client.line.answers(
    (_, { signal }) => new Promise((__, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
  );
  const controller = new AbortController();
  const [aborted, stopped] = [read(client, controller.signal), read(client)];
  await settle();
  controller.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  await client.client.stop();
  await expect(stopped).rejects.toMatchObject({ code: "closed" });
  await expect(read(client)).rejects.toMatchObject({ code: "closed" });
  expect(client.line.calls).toHaveLength(2);
});
