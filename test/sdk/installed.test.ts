// A ten-line program in an empty folder with the packed library: TypeScript accepts it, Node.js and a browser run it.
import { execFile, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBrowser, startSite } from "../support/browser.ts";
import { installInto, packLibrary } from "../support/sdk-package.ts";

const PROGRAM = `import { createVisitorClient, type Message } from "support-chat-client";
import { createFakeServer } from "support-chat-client/testing";
const server = createFakeServer();
server.tokens.agent("Alex");
const { transport, tokens } = server;
const client = createVisitorClient({ url: "fake:", token: tokens.visitor("Vera"), transport }).start();
const message: Message<{ content: string }> = await client.send({ content: "Hello?" });
const seq: number | null = message.seq;
console.log(client.getSnapshot().phase, seq, message.content.content);
await client.stop();
`;
const PRINTED = "queued 1 Hello?";
const TSC = join(import.meta.dirname, "../../node_modules/.bin/tsc");

let user: Awaited<ReturnType<typeof installInto>>;
beforeAll(async () => {
  const packed = await packLibrary();
  user = await installInto(packed.file);
  await packed.remove();
  writeFileSync(join(user.folder, "program.ts"), PROGRAM);
});
afterAll(() => user?.remove());

test.each([
  ["nodenext", "nodenext"],
  ["esnext", "bundler"],
])("TypeScript accepts it and writes JavaScript, with module %s and resolution %s", (module, moduleResolution) => {
  const options = { strict: true, target: "es2022", lib: ["esnext", "dom"], types: [], module, moduleResolution };
  writeFileSync(
    join(user.folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions: options, files: ["program.ts"] }),
  );
  const { stdout, status } = spawnSync(TSC, [], { cwd: user.folder, encoding: "utf8" });
  expect({ stdout, status }).toEqual({ stdout: "", status: 0 });
});

test("Node.js runs it, and the process ends by itself", async () => {
  const { stdout } = await promisify(execFile)("node", ["program.js"], { cwd: user.folder, timeout: 20_000 });
  expect(stdout.trim()).toBe(PRINTED);
});

test("a browser runs it without a build", async () => {
  const site = await startSite();
  const browser = await startBrowser();
  const show = (path: string, file: string) => site.show(path, "text/javascript", readFileSync(file, "utf8"));
  const library = join(user.folder, "node_modules/support-chat-client");
  const { files } = JSON.parse(
    spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: library, encoding: "utf8" }).stdout,
  )[0] as { files: { path: string }[] };
  for (const { path } of files) if (path.endsWith(".js")) show(`/library/${path}`, join(library, path));
  show("/socket.io.js", join(user.folder, "node_modules/socket.io-client/dist/socket.io.esm.min.js"));
  show("/program.js", join(user.folder, "program.js"));
  const imports = {
    "support-chat-client": "/library/dist/index.js",
    "support-chat-client/testing": "/library/dist/testing/index.js",
    "socket.io-client": "/socket.io.js",
  };
  site.show(
    "/",
    "text/html",
    `<!doctype html><title>Program</title><script type="importmap">${JSON.stringify({ imports })}</script>
    <script type="module" src="/program.js"></script>`,
  );
  try {
    const page = await browser.newPage();
    const printed: string[] = [];
    page.on("console", (line) => printed.push(line.text()));
    page.on("pageerror", (error) => printed.push(error.message));
    await page.goto(site.origin);
    await expect
      .poll(() => printed.filter((line) => !line.includes("favicon")), { timeout: 20_000 })
      .toContain(PRINTED);
  } finally {
    await browser.close();
    site.close();
  }
});
