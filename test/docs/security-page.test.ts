import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/SECURITY.md"), "utf8");

/** Such as `test/identity/tokens.test.ts`: "alg none", "no exp" */
const NAMED = /`(test\/[\w/-]+\.test\.ts)`: ((?:"[^"]+"(?:, )?)+)/g;
const named = [...page.matchAll(NAMED)].flatMap(([, file, titles]) =>
  [...(titles as string).matchAll(/"([^"]+)"/g)].map(([, title]) => [file, title] as [string, string]),
);

test.each(named)("%s has the test %j that docs/SECURITY.md names", (file, title) => {
  expect(readFileSync(join(root, file), "utf8")).toContain(title);
});

test("docs/SECURITY.md names a test for each threat, and no file that doesn't exist", () => {
  const threats = page.split("\n## ").find((section) => section.startsWith("Threats\n")) ?? "";
  const rows = threats.split("\n").filter((line) => /^\| (?!threat)[^-]/.test(line));
  expect(rows.length).toBeGreaterThan(20);
  for (const row of rows) expect(row).toMatch(new RegExp(NAMED.source));
  for (const [, file] of page.matchAll(/`(test\/[^`]+)`/g))
    expect(existsSync(join(root, file as string)), file).toBe(true);
});
