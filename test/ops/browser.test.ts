// The page of docs/CLIENTS.md in a real browser, with the service behind HAProxy at another origin.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { createSigner } from "fast-jwt";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Site, startBrowser, startSite } from "../support/browser.ts";
import { enter } from "../support/client.ts";
import { type Farm, startFarm } from "../support/farm.ts";
import { programOf } from "../support/pages.ts";
import { JWT_SECRET } from "../support/process.ts";
import { tokenOf } from "../support/world.ts";

const root = join(import.meta.dirname, "../..");
const library = "node_modules/socket.io-client/dist/socket.io.esm.min.js";
const show = (page: string) => site.show("/", "text/html", page);
const WAIT = { timeout: 40_000 };

const example = programOf("docs/CLIENTS.md", "A visitor, in the browser", "html");
let site: Site;
let browser: Browser;
let farm: Farm;
beforeAll(async () => {
  site = await startSite();
  site.show("/socket.io.esm.min.js", "text/javascript", readFileSync(join(root, library), "utf8"));
  browser = await startBrowser();
});
afterEach(async () => {
  await farm?.close();
});
afterAll(async () => {
  await browser?.close();
  site?.close();
});

const options = "io(url, { ";
const sign = createSigner({
  key: JWT_SECRET,
  algorithm: "HS256",
  clockTimestamp: Date.now() - 3_600_000,
  expiresIn: "1m",
});
const EXPIRED = sign({ sub: "0".repeat(32), type: "visitor" });

// The service is at localhost. 127.0.0.1 is another site, whose cookies a private window, as this browser has them, blocks.
test.each([
  { sticky: "session", host: "127.0.0.1", transports: "", withCredentials: "" },
  { sticky: "session", host: "127.0.0.1", transports: 'transports: ["polling"], ', withCredentials: "" },
  { sticky: "cookie", host: "localhost", transports: "", withCredentials: "withCredentials: true, " },
  {
    sticky: "cookie",
    host: "localhost",
    transports: 'transports: ["polling"], ',
    withCredentials: "withCredentials: true, ",
  },
])("a visitor writes, and reads the answer: STICKY=$sticky $transports", async (way) => {
  const origin = `http://${way.host}:${site.port}`;
  farm = await startFarm({ pods: 3, haproxy: { STICKY: way.sticky }, env: { CORS_ORIGINS: origin } });
  expect(example).toContain(options);
  show(
    example.replace("http://localhost:3000", farm.url).replace(options, options + way.transports + way.withCredentials),
  );
  const organisation = await farm.organisation();
  const agent = await enter(farm.url, tokenOf(organisation.agent), { withCredentials: way.sticky === "cookie" });

  const context = await browser.newContext();
  const tabs = await Promise.all([context.newPage(), context.newPage()]);
  for (const [index, tab] of tabs.entries()) {
    const upgrades: string[] = [];
    tab.on("websocket", (socket) => upgrades.push(socket.url()));
    // A message that is written before the login is answered must not be lost.
    let logins = 0;
    await tab.route("**/anonymous/login", async (route) => {
      logins++;
      await setTimeout(500);
      await route.continue();
    });
    // The second tab was left open overnight.
    if (index === 1) await tab.addInitScript((token) => sessionStorage.setItem("token", token), EXPIRED);
    await tab.goto(origin);
    await tab.fill("[name=text]", "Hello?");
    await tab.click("button");
    await tab.getByText("You: Hello?").waitFor(WAIT);
    const { room } = await agent.next("append_unclaimed_chats");
    await agent.ok("staff_join", { room: room.id });
    await agent.ok("staff_msg", { room: room.id, content: { content: "Yes, please" } });
    await tab.getByText("Staff: Yes, please").waitFor(WAIT);
    await expect.poll(() => upgrades.length > 0, WAIT).toBe(way.transports === "");
    // The tab's token has expired: its refresh token brings the same visitor back.
    await tab.evaluate((token) => sessionStorage.setItem("token", token), EXPIRED);
    await tab.reload();
    await tab.getByText("Staff: Yes, please").waitFor(WAIT);
    // One visitor, also where the first token was refused.
    expect(logins).toBe(1);
    agent.forget();
  }

  const inSessions = farm.haproxy.passages().filter(({ session }) => session !== "-");
  expect(inSessions.filter(({ status }) => status >= 400)).toEqual([]);
  await context.close();
});

test.each(["", 'transports: ["polling"], '])(
  "a page goes on while the pods stop one after the other: %s",
  async (transports) => {
    const origin = site.origin;
    farm = await startFarm({ pods: 2, haproxy: {}, env: { CORS_ORIGINS: origin, DRAIN_MS: "1000" } });
    show(example.replace("http://localhost:3000", farm.url).replace(options, options + transports));
    const agent = await enter(farm.url, tokenOf((await farm.organisation()).agent), { reconnection: true });
    const context = await browser.newContext();
    const tab = await context.newPage();
    await tab.goto(origin);
    await tab.fill("[name=text]", "Hello?");
    await tab.click("button");
    await tab.getByText("You: Hello?").waitFor(WAIT);
    const { room } = await agent.next("append_unclaimed_chats");
    await agent.ok("staff_join", { room: room.id });

    for (const n of [1, 2]) {
      expect(await farm.stop(n)).toBe(0);
      await farm.start(n);
      const text = `after pod ${n}`;
      await tab.fill("[name=text]", text);
      await tab.click("button");
      await tab.getByText(`You: ${text}`).waitFor(WAIT);
    }
    expect(agent.names().filter((name) => /leave/.test(name))).toEqual([]);
    await context.close();
  },
);
