import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { ServerPayload } from "../src/contract/events.ts";
import { demoPassword, demoStaff, demoVisitor } from "../src/identity/demo.ts";
import { enter } from "./support/client.ts";
import { newDataDir } from "./support/data-dir.ts";
import { type Pod, runUntilExit, startPod } from "./support/pod.ts";
import { runAdmin } from "./support/process.ts";

/** No JWT_SECRET: the generated one is used. */
const embedded = (dataDir: string) => ({ DATA_DIR: dataDir, JWT_SECRET: "" });

let pods: Pod[] = [];
const start = async (env: Record<string, string>) => {
  const pod = await startPod(env);
  pods.push(pod);
  return pod;
};
afterEach(async () => {
  await Promise.all(pods.map((pod) => pod.stop()));
  pods = [];
});

async function logIn({ url }: Pod, path: string, email: string, password = demoPassword) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify({ email, password }) });
  return { status: answer.status, ...((await answer.json()) as { access_token: string }) };
}

// The first start alone takes 4 s of CPU: on a busy machine that is a minute.
describe("the embedded default", { timeout: 180_000 }, () => {
  test("prints demo accounts that work, keeps its data over a restart, and belongs to one process", async () => {
    // Missing, as on the very first start.
    const dataDir = join(mkdtempSync(join(tmpdir(), "embedded-")), "data");
    // As a version before has left it on a full disk.
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, "jwt-secret"), "");
    const first = await start(embedded(dataDir));
    for (const { email } of [...demoStaff, demoVisitor]) {
      expect(first.output()).toMatch(new RegExp(`${email} +${demoPassword}`));
      const path = email === demoVisitor.email ? "/visitor/login" : "/login";
      expect((await logIn(first, path, email)).status).toBe(200);
    }

    const second = await runUntilExit(embedded(dataDir));
    const inUse = `DATA_DIR ${dataDir} is in use by another process: stop that one first, or name another folder.\n`;
    expect(second).toEqual({ code: 1, output: inUse });
    expect(await runAdmin(["token", "--email", demoVisitor.email], embedded(dataDir))).toEqual({
      code: 1,
      stdout: "",
      stderr: inUse,
    });

    const tokens = {
      visitor: (await logIn(first, "/visitor/login", demoVisitor.email)).access_token,
      agent: (await logIn(first, "/login", "agent1@demo.example")).access_token,
    };
    const visitor = await enter(first.url, tokens.visitor);
    const agent = await enter(first.url, tokens.agent);
    await visitor.ok("visitor_first_msg", { text: "Hello" });
    const { room } = await agent.next("append_unclaimed_chats");
    await agent.ok("staff_join", { room: room.id });
    expect(await first.stop("SIGKILL")).toBe(null);

    const again = await start(embedded(dataDir));
    const visitorBack = (await enter(again.url, tokens.visitor)).init as ServerPayload<"visitor_init">;
    const agentBack = (await enter(again.url, tokens.agent)).init as ServerPayload<"staff_init">;
    expect(visitorBack).toMatchObject({ room: { id: room.id }, staff: { email: "agent1@demo.example" } });
    expect(visitorBack.messages.map(({ sequence_num }) => sequence_num)).toEqual([1, 2]);
    expect(agentBack.active_chats.map((chat) => chat.room.id)).toEqual([room.id]);
  });

  test("closes the chats of users who don't come back after a restart", async () => {
    const dataDir = await newDataDir();
    const first = await start(embedded(dataDir));
    const token = (await logIn(first, "/visitor/login", demoVisitor.email)).access_token;
    const visitor = await enter(first.url, token);
    await visitor.ok("visitor_first_msg", { text: "Hello" });
    const supervisorToken = (await logIn(first, "/login", "supervisor@demo.example")).access_token;
    await first.stop("SIGKILL");
    const again = await start({ ...embedded(dataDir), RECONNECT_GRACE_MS: "5000" });
    const supervisor = await enter(again.url, supervisorToken);
    expect((supervisor.init as ServerPayload<"staff_init">).unclaimed_chats).toHaveLength(1);
    await supervisor.next("visitor_leave_queue");
  });

  test("with ADMIN_EMAIL starts with that organisation instead of the demo one", async () => {
    const env = { ADMIN_EMAIL: "boss@shop.example", ADMIN_PASSWORD: "secret-123", ORGANISATION_NAME: "The shop" };
    const pod = await start({ ...embedded(await newDataDir()), ...env });
    expect(pod.output()).not.toContain("Demo accounts");
    expect((await logIn(pod, "/login", "boss@shop.example", "secret-123")).status).toBe(200);
    expect((await logIn(pod, "/login", "admin@demo.example")).status).toBe(401);
  });

  test("is administered while the service is stopped", async () => {
    const env = embedded(await newDataDir());
    const options = ["--name", "Second", "--admin-email", "second@shop.example", "--admin-password", "secret-123"];
    const created = await runAdmin(["organisation", "create", ...options], env);
    expect(created.code).toBe(0);
    expect(JSON.parse(created.stdout)).toMatchObject({
      organisation: { id: expect.stringMatching(/^[0-9a-f]{32}$/), name: "Second" },
      admin: { email: "second@shop.example", role_id: 1, disabled: false },
    });
    expect(JSON.parse(created.stdout).admin).not.toHaveProperty("password_hash");
    expect(await runAdmin(["organisation", "create", ...options], env)).toEqual({
      ...{ code: 1, stdout: "", stderr: "The email second@shop.example is already taken.\n" },
    });
    const { stdout: token } = await runAdmin(["token", "--email", "second@shop.example"], env);
    const pod = await start(env);
    const { status } = await fetch(`${pod.url}/users`, { headers: { Authorization: token.trim() } });
    expect(status).toBe(200);
  });

  test("issues tokens for visitors, of the organisation that is named where several have the email", async () => {
    const env = embedded(await newDataDir());
    const create = async (name: string) => {
      const options = ["--name", name, "--admin-email", `${name}@shop.example`, "--admin-password", "secret-123"];
      return JSON.parse((await runAdmin(["organisation", "create", ...options], env)).stdout).organisation.id as string;
    };
    const organisations = [await create("one"), await create("other")];
    const pod = await start(env);
    const headers = { "Content-Type": "application/json" };
    for (const organisation_id of organisations) {
      const body = JSON.stringify({
        name: "Vera",
        email: "vera@home.example",
        password: "secret-123",
        organisation_id,
      });
      expect((await fetch(`${pod.url}/visitors`, { method: "POST", headers, body })).status).toBe(201);
    }
    await pod.stop();
    const token = (...more: string[]) => runAdmin(["token", "--email", "Vera@home.example", ...more], env);
    const several =
      "Visitors of several organisations have the email Vera@home.example: name one of them with --organisation.\n" +
      organisations.map((id) => `  ${id}\n`).join("");
    expect(await token()).toEqual({ code: 1, stdout: "", stderr: several });
    const issued = [];
    for (const id of organisations) issued.push((await token("--organisation", id)).stdout.trim());
    const subjects = issued.map((one) => JSON.parse(Buffer.from(one.split(".")[1] ?? "", "base64url").toString()).sub);
    expect(new Set(subjects).size).toBe(2);
    const none = "There is no staff and no visitor with the email Vera@home.example in that organisation.\n";
    expect(await token("--organisation", "0".repeat(32))).toEqual({ code: 1, stdout: "", stderr: none });
  });
});

describe("the admin command", () => {
  const nowhere = { DATABASE_URL: "postgresql://127.0.0.1:1/none", JWT_SECRET: "x".repeat(32) };
  test.each([
    [["nonsense"], /^Unknown command: nonsense\n\nUsage:/],
    [["token"], /^--email is missing\n\nUsage:/],
    [["token", "--email", "a b"], /^--email must be a text without spaces/],
    [["token", "--mail", "a"], /Unknown option '--mail'[\s\S]*Usage:/],
    [
      ["organisation", "create", "--name", "N", "--admin-email", "a@b", "--admin-password", "short"],
      /^--admin-password must be at least 8 characters with a digit/,
    ],
  ])("refuses %j with what to do", async (args, message) => {
    const { code, stdout, stderr } = await runAdmin(args, nowhere);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(message);
  });

  test.each([
    [{}, "DATABASE_URL: not set, but required to migrate; an embedded database is migrated by each start\n"],
    [
      { DATABASE_URL: "mysql://root:s3cret@db" },
      "DATABASE_URL: found a text of 22 bytes, expected postgresql://user:password@host:port/database\n",
    ],
  ])("has nothing to migrate in the environment %j", async (env, stderr) => {
    expect(await runAdmin(["migrate"], env)).toEqual({ code: 1, stdout: "", stderr });
  });

  test("explains itself with --help", async () => {
    expect(await runAdmin(["--help"], nowhere)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("organisation create"),
    });
  });
});
