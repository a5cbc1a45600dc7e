import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { afterEach, describe, expect, test } from "vitest";
import { urlOf } from "../../src/http/listen.ts";
import { connect } from "../support/client.ts";
import { type Pod, runUntilExit, startPod } from "../support/pod.ts";

const hasIPv6 = Object.values(networkInterfaces())
  .flat()
  .some((one) => one?.address === "::1");
const pods: Pod[] = [];
afterEach(async () => {
  await Promise.all(pods.splice(0).map((pod) => pod.stop()));
});

/** Empty means unset. */
async function start(env: Record<string, string>): Promise<Pod> {
  const pod = await startPod(env);
  pods.push(pod);
  return pod;
}

test.each([
  ["127.0.0.1", "http://127.0.0.1:3000"],
  ["::1", "http://[::1]:3000"],
  ["fe80::1%eth0", "http://[fe80::1%25eth0]:3000"],
  ["2001:db8::7", "http://[2001:db8::7]:3000"],
  ["0.0.0.0", "http://localhost:3000"],
  ["::", "http://localhost:3000"],
  ["chat.example", "http://chat.example:3000"],
])("the URL of HOST=%s is %s", (host, url) => expect(urlOf(host, 3000)).toBe(url));

describe("on the embedded database", { timeout: 60_000 }, () => {
  test("without HOST it serves this machine only, on every loopback address, sockets too, and logs that", async () => {
    const pod = await start({ HOST: "" });
    const { port, hostname } = new URL(pod.url);
    expect(hostname).toBe("localhost");
    await expect.poll(() => pod.output()).toContain("To this machine only: HOST=0.0.0.0 also serves others.");
    const body = JSON.stringify({ email: "agent1@demo.example", password: "demo-1234" });
    for (const host of hasIPv6 ? ["localhost", "127.0.0.1", "[::1]"] : ["localhost", "127.0.0.1"]) {
      const url = `http://${host}:${port}`;
      const headers = { "Content-Type": "application/json" };
      const login = await fetch(`${url}/login`, { method: "POST", headers, body });
      const { access_token: token } = (await login.json()) as { access_token: string };
      for (const transport of ["polling", "websocket"]) {
        const client = await connect(url, token, { transports: [transport] });
        await client.next("staff_init");
        client.close();
      }
    }
    const other = Object.values(networkInterfaces())
      .flat()
      .find((one) => one?.family === "IPv4" && !one.internal)?.address;
    if (other) await expect(fetch(`http://${other}:${port}/livez`)).rejects.toThrow();
  });

  test("with HOST=0.0.0.0 it serves other machines", async () => {
    const pod = await start({ HOST: "0.0.0.0" });
    expect(pod.output()).not.toContain("this machine only");
    expect((await fetch(`${pod.url.replace("localhost", "127.0.0.2")}/livez`)).status).toBe(200);
  });

  test.runIf(hasIPv6)("HOST=::1 prints a URL that can be opened", async () => {
    const pod = await start({ HOST: "::1" });
    expect(pod.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect((await fetch(`${pod.url}/livez`)).status).toBe(200);
  });

  test.runIf(hasIPv6)("a port that is in use on the other loopback address stops the start", async () => {
    const server = createServer().listen(0, "::1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const { code, output } = await runUntilExit({ HOST: "localhost", PORT: `${port}`, LOG_LEVEL: "warn" });
    server.close();
    expect({ code, output }).toEqual({ code: 1, output: expect.stringMatching(`^PORT: found ${port}, expected`) });
  });
});
