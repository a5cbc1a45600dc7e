import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { readConfig } from "../../src/config/config.ts";
import { haproxyConfiguration, haproxyProgram } from "../support/haproxy.ts";
import { type Program, requireProgram } from "../support/programs.ts";

const root = join(import.meta.dirname, "../..");

const version = "5.5.1";
const compose: Program = {
  name: "Docker Compose",
  binaries: ["docker-compose"],
  folders: ["/usr/libexec/docker/cli-plugins", "/usr/local/lib/docker/cli-plugins", "/usr/lib/docker/cli-plugins"],
  versionArgs: ["version"],
  atLeast: 2,
  // `go install` refuses modules that exclude others.
  go: `cd "$(mktemp -d)"
    go mod init tools
    go get github.com/docker/compose/v5/cmd@v${version}
    go build -trimpath -o "$GOBIN/docker-compose" -ldflags "-X github.com/docker/compose/v5/internal.Version=v${version}" \\
      github.com/docker/compose/v5/cmd`,
  otherwise: "install Docker Compose, or Go",
};

type Service = {
  environment?: Record<string, string | null>;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  privileged?: boolean;
  command?: string[];
  stop_grace_period: string;
  depends_on?: Record<string, { condition: string }>;
  ports?: { host_ip: string }[];
  networks: Record<string, unknown>;
};
const secrets = { JWT_SECRET: "x".repeat(32), POSTGRES_PASSWORD: "secret" };

/** The output of `docker compose config`, with every profile. */
function read(env: Record<string, string>) {
  const args = ["-f", join(root, "compose.yaml"), "--profile", "*", "config", "--format", "json"];
  const folder = mkdtempSync(join(tmpdir(), "compose-"));
  writeFileSync(
    join(folder, ".env"),
    Object.entries(env)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(""),
  );
  const options = { encoding: "utf8", env: { PATH: process.env.PATH, HOME: folder } } as const;
  const result = spawnSync(requireProgram(compose), ["--env-file", join(folder, ".env"), ...args], options);
  rmSync(folder, { recursive: true });
  return result;
}

let services: Record<string, Service>;
beforeAll(() => {
  const { stdout, stderr } = read({ ...secrets, CORS_ORIGINS: "https://shop.example" });
  expect(stderr).toBe("");
  services = JSON.parse(stdout).services;
});
const pods = () => Object.entries(services).filter(([name]) => name.startsWith("pod"));

test.each(Object.keys(secrets))("without %s Docker Compose says that it is missing", (name) => {
  const { status, stderr } = read({ ...secrets, [name]: "" });
  expect(status).not.toBe(0);
  expect(stderr).toContain(`required variable ${name} is missing a value: set it in .env`);
});

test("the configuration of each pod is one that the service accepts, with what .env says", () => {
  for (const [, { environment = {} }] of pods()) {
    const env = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, value ?? undefined]));
    const config = readConfig({ ...env, NODE_ENV: "production" });
    expect(config).toMatchObject({ corsOrigins: ["https://shop.example"], drainMs: 20_000, metricsPort: 9464 });
  }
});

test("pods start on a migrated database, and have DRAIN_MS and 10 s to stop", () => {
  expect(services.migrate).toMatchObject({
    command: ["node", "src/admin.ts", "migrate"],
    depends_on: { postgres: { condition: "service_healthy" } },
  });
  expect(pods()).toHaveLength(4);
  for (const [, { depends_on, stop_grace_period }] of pods()) {
    expect(depends_on).toMatchObject({
      migrate: { condition: "service_completed_successfully" },
      redis: { condition: "service_healthy" },
    });
    expect(stop_grace_period).toBe("30s");
  }
});

test("nothing has more rights than it needs, and only HAProxy is to be reached, from this machine", () => {
  for (const [name, service] of Object.entries(services)) {
    expect(service, name).toMatchObject({ read_only: true, cap_drop: ["ALL"] });
    expect(service.security_opt, name).toEqual(["no-new-privileges:true"]);
    expect(service.privileged, name).toBeUndefined();
    if (name === "haproxy") continue;
    expect(service.ports, name).toBeUndefined();
    expect(Object.keys(service.networks), name).toEqual(["inside"]);
  }
  expect(services.haproxy?.ports).toMatchObject([{ host_ip: "127.0.0.1" }]);
});

test("HAProxy looks for every pod, and reads its variables", () => {
  const text = readFileSync(haproxyConfiguration, "utf8");
  for (const [name] of pods())
    expect(text).toContain(`server ${name} "\${${name.toUpperCase()}-${name}:3000}" cookie ${name}`);
  for (const name of Object.keys(services.haproxy?.environment ?? {})) expect(text).toContain(`\${${name}-`);
});

test.each([
  ["session", 0],
  ["cookie", 0],
  ["none", 0],
  ["sticky", 1],
])("HAProxy checks its configuration with STICKY=%s: exit code %i", (sticky, code) => {
  const { status, stderr } = spawnSync(haproxyProgram(), ["-c", "-f", haproxyConfiguration], {
    encoding: "utf8",
    env: { STICKY: sticky },
  });
  expect(status, stderr).toBe(code);
  expect(stderr).not.toContain("WARNING");
  expect(stderr.includes("STICKY must be session, cookie or none")).toBe(code === 1);
});
