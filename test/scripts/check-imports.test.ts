import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkImports } from "../../scripts/check-imports.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "check-imports-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Writes files that import types from each other: `{ "a.ts": ["b.ts"] }`. Every file that is imported exists. */
function write(files: Record<string, string[]>): void {
  const all = new Set([...Object.keys(files), ...Object.values(files).flat()]);
  for (const file of all) {
    const path = join(root, "src", file);
    mkdirSync(dirname(path), { recursive: true });
    const lines = (files[file] ?? []).map((other, index) => {
      const specifier = other.startsWith("node:") ? other : join(root, "src", other);
      return `import type { T as T${index} } from "${specifier}";\nexport type { T${index} };`;
    });
    writeFileSync(path, [...lines, "export type T = 1;", ""].join("\n"));
  }
}

const namesOf = (complaints: string[]) => complaints.map((one) => one.match(/\(([a-z-]+)\)$/)?.[1]);

test("imports that follow the layout are not complained about", async () => {
  write({
    "main.ts": ["app.ts", "chat/steps.ts"],
    "app.ts": ["realtime/server.ts", "store/store.ts"],
    "realtime/server.ts": ["chat/steps.ts", "platform/redis/bus.ts"],
    "store/store.ts": ["chat/steps.ts"],
    "chat/steps.ts": ["contract/models.ts"],
    "platform/redis/bus.ts": ["platform/time.ts"],
  });

  expect(await checkImports(root)).toEqual([]);
});

test.each([
  ["platform-without-product", { "platform/redis/bus.ts": ["presence/presence.ts"] }],
  ["contract-alone", { "contract/models.ts": ["platform/time.ts"] }],
  ["contract-alone", { "contract/models.ts": ["node:crypto"] }],
  ["chat-without-carriers", { "chat/steps.ts": ["delivery/delivery.ts"] }],
  ["insides-in-engine", { "platform/redis/bus.ts": ["platform/engine/insides.ts"] }],
  ["programs-on-top", { "http/users.ts": ["app.ts"] }],
])("an import of a type that breaks %s is named with its rule: %j", async (name, files) => {
  write(files as Record<string, string[]>);

  const complaints = await checkImports(root);

  expect(namesOf(complaints)).toEqual([name]);
  expect(complaints[0]).toContain(Object.keys(files)[0]);
});

test("an import of a file that doesn't exist is named", async () => {
  write({ "http/users.ts": ["http/schemas.ts"] });
  rmSync(join(root, "src/http/schemas.ts"));

  expect(namesOf(await checkImports(root))).toEqual(["found"]);
});

test.each([
  ["two folders", { "http/users.ts": ["store/lists.ts"], "store/rows.ts": ["http/schemas.ts"] }],
  [
    "a folder and its subfolder",
    { "http/users.ts": ["http/login/limits.ts"], "http/login/form.ts": ["http/schemas.ts"] },
  ],
  [
    "three folders",
    { "http/users.ts": ["store/lists.ts"], "store/rows.ts": ["presence/a.ts"], "presence/b.ts": ["http/schemas.ts"] },
  ],
])("%s that import types from each other are named once, with the imports", async (_, files) => {
  write(files as Record<string, string[]>);

  const complaints = await checkImports(root);

  expect(namesOf(complaints)).toEqual(["no-folder-cycle"]);
  for (const [from, [to]] of Object.entries(files)) expect(complaints[0]).toContain(`src/${from} imports src/${to}`);
});
