// The packed library: what it has in it, and that people can use it with nothing of this project.
import { readFileSync } from "node:fs";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packLibrary } from "../support/sdk-package.ts";

let packed: Awaited<ReturnType<typeof packLibrary>>;
beforeAll(async () => {
  packed = await packLibrary();
});
afterAll(() => packed?.remove());

test("publint finds nothing", async () => {
  const tarball = new Uint8Array(readFileSync(packed.file)).buffer;
  const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
  expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
});

test("are-the-types-wrong finds nothing for ES modules, and the package has each entry", async () => {
  const result = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(packed.file))));
  if (!result.types) throw new Error("The package has no types");
  expect(Object.keys(result.entrypoints).sort()).toEqual([".", "./preact", "./react", "./testing"]);
  // The package is an ES module only: `require` loads it from Node 20.19 on, and TypeScript's node10 knows no `exports`.
  const problems = result.problems.filter(
    (problem) => !("resolutionKind" in problem && ["node10", "node16-cjs"].includes(problem.resolutionKind)),
  );
  expect(problems).toEqual([]);
});

test("there are only built files, the licence and the page in it", () => {
  const files = createPackageFromTarballData(new Uint8Array(readFileSync(packed.file))).listFiles();
  const others = files
    .filter((file) => !/\/dist\/[\w/-]+\.(?:js|d\.ts)$/.test(file))
    .map((file) => file.split("/").at(-1));
  expect(others.sort()).toEqual(["LICENSE", "README.md", "package.json"]);
});
