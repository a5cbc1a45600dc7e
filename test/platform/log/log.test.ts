// Processes at LOG_LEVEL=trace that receive all kinds of right and wrong requests. Their output is for operators.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { connect, enter } from "../../support/client.ts";
import type { Single } from "../../support/http.ts";
import { request } from "../../support/http.ts";
import { JWT_SECRET } from "../../support/process.ts";
import { connectRaw, knock, transports } from "../../support/raw.ts";
import { freePort } from "../../support/servers.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../../support/world.ts";

type Line = Record<string, unknown>;

let world: World;
let organisation: Organisation;
beforeAll(async () => {
  world = await startWorld("two pods", { LOG_LEVEL: "trace", RECONNECT_GRACE_MS: "0", MAX_CONTENT_BYTES: "2000" });
  organisation = await world.organisation();
});
afterAll(() => world?.stop());

/** No output may contain these. Each secret contains one of them. */
const SECRET = "s3cret";
const secret = () => `${SECRET}-${randomUUID()}`;
const ids = /^[0-9a-f]{32}$/;
const output = () => world.pods.map((pod) => pod.output()).join("");
const linesOf = (text: string): Line[] =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);

test("every line is JSON, names its subject, and has no token, password, or message text", async () => {
  const [near, far] = [world.url(0), world.url(1)];
  const password = `${secret()}1`;
  const email = `${randomUUID()}@people.example`;
  const admin = tokenOf(organisation.admin);

  // Over HTTP: accounts, right and wrong logins, bad bodies and tokens.
  const person = { full_name: "Ada", email, password: `${secret()}1`, role_id: 3 };
  const { body: created } = await request<Single<{ id: string }>>(near, "POST /users", { token: admin, body: person });
  await request(near, `PATCH /users/${created.data.id}`, { token: admin, body: { password } });
  const { body: login } = await request<{ access_token: string }>(far, "POST /login", { body: { email, password } });
  const token = login.access_token;
  expect(token).toMatch(/^ey/);
  const visitorEmail = `${randomUUID()}@people.example`;
  await request(near, "POST /visitors", { body: { name: "Vera", email: visitorEmail, password } });
  await request(near, "POST /visitor/login", { body: { email: visitorEmail, password } });
  for (let n = 0; n < 12; n++) await request(near, "POST /login", { body: { email, password: secret() } });
  await request(near, "POST /login", { body: `{"email": "${secret()}", "pass` });
  await request(near, "POST /login", { body: { email: [secret()], password: { [secret()]: 1 } } });
  await request(near, `GET /users?limit=${secret()}`, { token: admin });
  await request(near, `GET /${secret()}?access_token=${secret()}`, { token: secret() });
  await request(near, "GET /%zz", { token: secret() });

  // In the handshake.
  for (const transport of transports) await knock(near, transport, { Authorization: secret() });
  await expect(connect(near, `${token}x`)).rejects.toThrow();

  // In a chat, including refused events.
  const visitor = await enter(near, tokenOf(await organisation.visitor(secret())));
  const agent = await enter(far, token);
  const content = () => ({ text: secret() });
  const opened = agent.next("append_unclaimed_chats");
  await visitor.ok("visitor_first_msg", content(), { id: randomUUID() });
  const { room } = await opened;
  await agent.ok("staff_join", { room: room.id });
  await visitor.ok("visitor_msg", content());
  const mine = randomUUID();
  for (let n = 0; n < 2; n++) await agent.ok("staff_msg", { room: room.id, id: mine, content: content() });
  await agent.send("staff_msg", { room: secret(), content: content() });
  await agent.send("staff_msg", { room: room.id, content: { text: SECRET.repeat(1_000) } });
  await agent.send("staff_msg", { room: room.id, content: { bytes: Buffer.from(SECRET) } });
  await visitor.send("visitor_msg", { room: secret() }, { id: secret() });
  await visitor.send(secret(), content());
  const raw = await connectRaw(near, tokenOf(await organisation.visitor()));
  await raw.ask(`["visitor_msg", "${secret()}"]`);
  raw.send(`42["${secret()}", {`);
  await raw.closed;

  // Redis refuses messages: the errors of its client contain the whole command.
  const redis = new Redis(world.redis?.url as string);
  await redis.acl("SETUSER", "default", "-spublish");
  await vi.waitFor(async () => {
    await visitor.ok("visitor_msg", content());
    expect(output()).toContain("NOPERM");
  });
  await redis.acl("SETUSER", "default", "+spublish");
  redis.disconnect();

  await visitor.ok("visitor_leave_room");
  await request(near, `PATCH /users/${created.data.id}`, { token: admin, body: { disabled: true } });
  await vi.waitFor(() => expect(agent.socket.connected).toBe(false), 10_000);
  visitor.close();
  for (const pod of world.pods) await pod.stop();

  const printed = output();
  const lines = linesOf(printed);
  expect(printed).not.toContain(SECRET);
  expect(printed).not.toContain(password);
  for (const part of token.split(".").slice(1)) expect(printed).not.toContain(part);
  expect(printed).not.toContain("people.example");

  for (const line of lines) {
    expect(line).toMatchObject({ level: expect.stringMatching(/^(trace|debug|info|warn)$/), msg: expect.any(String) });
    if (!/^Server listening|^JWT_SECRET/.test(line.msg as string))
      expect(line, JSON.stringify(line)).toHaveProperty("event");
    if (typeof line.connection === "string" && line.msg !== "connection refused")
      expect(line).toMatchObject({ user: expect.stringMatching(ids), organisation: expect.stringMatching(ids) });
  }
  const about = (event: string) => lines.filter((line) => line.event === event);
  const inChat = { chat: room.id, organisation: organisation.id, connection: expect.any(String) };
  expect(about("claimed")).toMatchObject([{ level: "info", ...inChat, user: created.data.id }]);
  expect(about("opened")).toMatchObject([{ level: "info", ...inChat }]);
  expect(about("visitorLeft")).toMatchObject([{ level: "info", ...inChat }]);
  expect(about("visitor_msg")).toContainEqual(expect.objectContaining({ ...inChat, level: "debug", result: "ok" }));
  expect(about("staff_msg")).toContainEqual(
    expect.objectContaining({ ...inChat, result: "ok", user: created.data.id }),
  );
  expect(about("staff_msg")).toContainEqual(expect.objectContaining({ ...inChat, result: "contentTooLarge" }));
  expect(about("unknown")).toContainEqual(expect.objectContaining({ level: "debug", result: "unknownEvent" }));
  expect(about("connect")).toContainEqual(expect.objectContaining({ level: "debug", user: created.data.id }));
  expect(about("disconnect")).toContainEqual(
    expect.objectContaining({ user: created.data.id, reason: expect.any(String) }),
  );
  expect(about("fault")).toContainEqual(expect.objectContaining({ level: "warn", part: "redis" }));
  expect(about("POST /users")).toContainEqual(expect.objectContaining({ user: organisation.admin.id, status: 201 }));
}, 120_000);

test("a full disk under stdout disconnects nobody", async () => {
  const full = openSync("/dev/full", "w");
  const port = await freePort();
  const child = spawn(process.execPath, ["src/main.ts"], {
    env: { PATH: process.env.PATH, DATABASE_URL: world.databaseUrl, JWT_SECRET, PORT: `${port}`, LOG_LEVEL: "trace" },
    stdio: ["ignore", full, "inherit"],
  });
  const ended = once(child, "close");
  const isAlive = async () => (await request(`http://127.0.0.1:${port}`, "GET /livez")).status;
  try {
    await vi.waitFor(async () => expect(await isAlive()).toBe(200), { timeout: 20_000, interval: 100 });
    for (let n = 0; n < 200; n++) expect(await isAlive()).toBe(200);
  } finally {
    child.kill("SIGTERM");
    closeSync(full);
  }
  expect(await ended).toEqual([0, null]);
});
