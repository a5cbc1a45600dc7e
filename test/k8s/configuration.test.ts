import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/config/config.ts";
import { Environment } from "../../src/config/environment.ts";
import { configOf, type KubeObject, serviceContainer, the } from "./objects.ts";
import { k8s, variants } from "./render.ts";

const rendered = variants();
const production = rendered["production with Ingress"] as KubeObject[];
const page = readFileSync(join(k8s, "../docs/OPERATIONS.md"), "utf8");

describe("configuration", () => {
  const variables = Environment.properties as Record<string, { secret?: true }>;
  /** The default of these is right in a cluster, or they belong to something else. */
  const leftAlone = {
    HOST: "all addresses of the pod",
    DATA_DIR: "of the embedded database, which the image hasn't",
    ACCESS_TOKEN_TTL: "a matter of taste",
    VISITOR_SESSION_MAX_AGE: "the same",
    STAFF_SESSION_MAX_AGE: "the same",
    ORGANISATION_NAME: "organisations are made by the admin command",
    ADMIN_EMAIL: "the same",
    ADMIN_PASSWORD: "the same",
    TRUST_PROXY: "pods, and so the load balancer's, have private addresses; the network policy keeps other pods out",
    ALLOW_AUTH_PAYLOAD: "a matter of the clients",
    ALLOW_EIO3: "the same",
    MAX_CONTENT_BYTES: "the same",
    RATE_LIMIT_PER_SECOND: "the same",
    RATE_LIMIT_BURST: "the same",
    RATE_LIMIT_BYTES_PER_SECOND: "the same",
    MAX_CONNECTIONS_PER_USER: "the same",
  };
  const given = (objects: KubeObject[]) => {
    const env = serviceContainer(objects).env as { name: string; value?: string; valueFrom?: object }[];
    return { plain: configOf(objects), referred: env };
  };

  test("in production every variable is set, or left alone on purpose, and none is unknown", () => {
    const { plain, referred } = given(production);
    const set = [...Object.keys(plain), ...referred.map(({ name }) => name)];
    expect([...set, ...Object.keys(leftAlone)].sort()).toEqual(Object.keys(variables).sort());
  });

  test.each(Object.entries(rendered))("%s: secrets come from the Secret, and only they", (_, objects) => {
    const { plain, referred } = given(objects);
    const known = Object.keys(variables);
    expect(known).toEqual(expect.arrayContaining([...Object.keys(plain), ...referred.map(({ name }) => name)]));
    expect(Object.keys(plain).filter((name) => variables[name]?.secret)).toEqual([]);
    for (const { name, value, valueFrom } of referred)
      expect([value, valueFrom]).toEqual([
        undefined,
        { secretKeyRef: expect.objectContaining({ key: name, name: expect.stringMatching(/^chat-backend/) }) },
      ]);
  });

  test("production has no secret of its own, only the reference that the operators' page fills", () => {
    for (const variant of ["production with Ingress", "production with Gateway API"])
      expect((rendered[variant] as KubeObject[]).filter(({ kind }) => kind === "Secret")).toEqual([]);
    const { referred } = given(production);
    const required = (referred as { name: string; valueFrom: { secretKeyRef: { optional?: true } } }[])
      .filter(({ valueFrom }) => !valueFrom.secretKeyRef.optional)
      .map(({ name }) => name);
    const command = /create secret generic chat-backend(.*?)```/s.exec(page)?.[1] ?? "";
    expect([...command.matchAll(/--from-literal=(\w+)=/g)].map(([, name]) => name)).toEqual(required);
  });

  test("local has every value that its Secret is asked for, and each is clearly of no worth", () => {
    const objects = rendered.local as KubeObject[];
    const { data, metadata } = the(objects, "Secret");
    const { referred } = given(objects);
    for (const { valueFrom } of referred as { valueFrom: { secretKeyRef: Record<string, unknown> } }[]) {
      const { key, name, optional } = valueFrom.secretKeyRef as { key: string; name: string; optional?: true };
      expect(name).toBe(metadata.name);
      if (!optional) expect(Buffer.from(data[key], "base64").toString()).toMatch(/local|^redis:\/\/redis:/);
    }
  });

  test("the service starts with these values", () => {
    const secrets = { DATABASE_URL: "postgresql://db/chat", REDIS_URL: "redis://redis", JWT_SECRET: "x".repeat(32) };
    for (const objects of Object.values(rendered)) {
      const password = "ADMIN_EMAIL" in configOf(objects) ? { ADMIN_PASSWORD: "password-1" } : {};
      expect(readConfig({ ...configOf(objects), ...secrets, ...password }).production).toBe(true);
    }
  });
});
