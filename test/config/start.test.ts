import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { runUntilExit } from "../support/pod.ts";

test("a process with two bad variables prints exactly their lines and exits with 1", async () => {
  const { code, output } = await runUntilExit({ PORT: "http", JWT_SECRET: "s3cret" });
  expect({ code, output }).toEqual({
    code: 1,
    output: [
      'PORT: found "http", expected an integer from 0 to 65535\n',
      "JWT_SECRET: found a text of 6 bytes, expected a text of at least 32 bytes\n",
    ].join(""),
  });
});

test.each(["PORT", "METRICS_PORT"])(
  "%s that is in use stops the start with one line",
  { timeout: 60_000 },
  async (name) => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const { code, output } = await runUntilExit({ [name]: String(port), LOG_LEVEL: "warn" });
    server.close();
    expect(code).toBe(1);
    expect(output.trim().split("\n")).toEqual([
      `${name}: found ${port}, expected one that is free (listen EADDRINUSE: address already in use 127.0.0.1:${port})`,
    ]);
  },
);

test.each([
  [{ HOST: "203.0.113.9" }, "HOST", "an address of this machine"],
  [{ HOST: "no.such.host.invalid" }, "HOST", "an address of this machine"],
  [{ DATA_DIR: import.meta.filename }, "DATA_DIR", "a folder that can be written"],
])(
  "an address that this machine doesn't have stops the start with one line: %j",
  { timeout: 60_000 },
  async (env, name, expected) => {
    const { code, output } = await runUntilExit(env);
    expect({ code, lines: output.trim().split("\n") }).toEqual({
      code: 1,
      lines: [expect.stringMatching(new RegExp(`^${name}: found "[^"]+", expected ${expected} \\(.+\\)$`))],
    });
  },
);
