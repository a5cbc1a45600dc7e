// METRICS_PORT: metrics have a port of their own, so that no proxy needs a rule about paths.
import { afterAll, beforeAll, expect, test } from "vitest";
import { askRaw as ask } from "../support/http.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { freePort } from "../support/servers.ts";
import { createDatabase } from "../support/services.ts";
import { writings } from "../support/writings.ts";

let database: Awaited<ReturnType<typeof createDatabase>>;
let pod: Pod;
let inside: string;
beforeAll(async () => {
  database = await createDatabase();
  const port = await freePort();
  inside = `http://127.0.0.1:${port}`;
  pod = await startPod({ DATABASE_URL: database.url, METRICS_PORT: `${port}` });
});
afterAll(async () => {
  await pod?.stop();
  await database?.drop();
});

test.each(writings("/metrics"))("%s on PORT gives no metrics", async (path) => {
  for (const method of ["GET", "HEAD", "POST"]) {
    const { status, body } = await ask(pod.url, path, { method });
    // Socket.IO answers all paths that begin with its own, with 401.
    const expected = path.startsWith("/socket.io/") ? 401 : 404;
    expect({ method, status, leaks: body.includes("chat_") }).toEqual({ method, status: expected, leaks: false });
  }
});

test("its own port has metrics and probes, and nothing else; probes stay on PORT", async () => {
  const { status, body } = await ask(inside, "/metrics");
  expect([status, body.includes("chat_build_info")]).toEqual([200, true]);
  for (const url of [pod.url, inside])
    for (const path of ["/livez", "/readyz"]) expect((await ask(url, path)).status).toBe(200);
  for (const path of ["/login", "/users", "/docs/", "/openapi.json", "/socket.io/?EIO=4&transport=polling"])
    expect({ path, status: (await ask(inside, path)).status }).toEqual({ path, status: 404 });
  expect((await ask(pod.url, "/openapi.json")).body).not.toContain("/metrics");
});

test("0 uses a free port and logs it", async () => {
  const other = await startPod({ DATABASE_URL: database.url, METRICS_PORT: "0" });
  await expect.poll(() => other.output()).toMatch(/metrics and probes on http/);
  const url = /metrics and probes on (http[^"\s]+)/.exec(other.output())?.[1] as string;
  expect(new URL(url).port).not.toBe(new URL(other.url).port);
  expect((await ask(url, "/metrics")).status).toBe(200);
  expect(await other.stop()).toBe(0);
  await expect(ask(url, "/livez")).rejects.toThrow();
});

test("unset, metrics are on PORT", async () => {
  const other = await startPod({ DATABASE_URL: database.url });
  expect((await ask(other.url, "/metrics")).status).toBe(200);
  await other.stop();
});
