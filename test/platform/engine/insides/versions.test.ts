import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import type { Insides } from "../../../../src/platform/engine/insides.ts";

const root = join(import.meta.dirname, "../../../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const { dependencies } = JSON.parse(read("package.json")) as { dependencies: Record<string, string> };

/** The library that each is loaded by, and the first version without a known hole. */
const libraries = [
  { name: "socket.io", by: ".", atLeast: "4.8.0" },
  { name: "@socket.io/redis-adapter", by: ".", atLeast: "8.3.0" },
  { name: "socket.io-adapter", by: "socket.io", atLeast: "2.5.0" },
  { name: "socket.io-adapter", by: "@socket.io/redis-adapter", atLeast: "2.5.0" },
  { name: "socket.io-parser", by: "socket.io", atLeast: "4.2.7" },
  { name: "engine.io", by: "socket.io", atLeast: "6.6.12" },
  { name: "engine.io-parser", by: "engine.io", atLeast: "5.2.0" },
  { name: "ws", by: "engine.io", atLeast: "8.21.0" },
  { name: "ws", by: "socket.io-adapter", atLeast: "8.21.0" },
];
const names = [...new Set(libraries.map(({ name }) => name))];
const require = createRequire(join(root, "package.json"));
/** Where a library is that another one loads. */
function folderOf(name: string, by: string): string {
  const from = by === "." ? require : createRequire(join(root, "node_modules", by, "package.json"));
  const paths = from.resolve.paths(name) ?? [];
  for (const path of paths) if (exists(join(path, name))) return join(path, name);
  throw new Error(`${name} isn't installed`);
}
const exists = (folder: string) => {
  try {
    return readFileSync(join(folder, "package.json")).length > 0;
  } catch {
    return false;
  }
};
const versionIn = (folder: string) =>
  (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string }).version;

test.each(names)("%s is pinned to an exact version in package.json", (name) => {
  expect(dependencies[name]).toMatch(/^\d+\.\d+\.\d+$/);
});

test.each(libraries)("the $name that $by loads is the pinned one", ({ name, by }) => {
  expect(dirname(join(folderOf(name, by), "x"))).toBe(join(root, "node_modules", name));
  expect(versionIn(folderOf(name, by))).toBe(dependencies[name]);
});

test.each(libraries)("$name has no known hole: it is $atLeast or newer", ({ name, atLeast }) => {
  const [version, least] = [dependencies[name], atLeast].map((one) => (one ?? "0").split(".").map(Number));
  const isNewer = least?.map((part, n) => (version?.[n] ?? 0) - part).find((difference) => difference !== 0) ?? 0;
  expect(isNewer).toBeGreaterThanOrEqual(0);
});

test.each(names)("the lock has one %s, beside copies that only tests load", (name) => {
  const { packages } = JSON.parse(read("package-lock.json")) as {
    packages: Record<string, { version: string; dev?: boolean }>;
  };
  const copies = Object.entries(packages).filter(([path, { dev }]) => path.endsWith(`node_modules/${name}`) && !dev);
  expect(copies.map(([path, { version }]) => [path, version])).toEqual([[`node_modules/${name}`, dependencies[name]]]);
});

test("the list of the insides is about the pinned versions", () => {
  const list = read("src/platform/engine/insides.ts");
  const named = [...list.matchAll(/(@?[\w./-]+) (\d+\.\d+\.\d+)/g)];
  expect(named.length).toBeGreaterThan(4);
  for (const [, name = "", version] of named) expect([name, version]).toEqual([name, dependencies[name]]);
});

test("each type in the list is of a library whose entries have tests here", () => {
  const withoutTests: Exclude<keyof Insides, `${"socket.io" | "engine.io" | "ws"} ${string}`>[] = [];
  expect(withoutTests).toEqual([]);
});
