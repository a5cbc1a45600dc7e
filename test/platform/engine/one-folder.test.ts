// An update of Socket.IO, Engine.IO or ws can break one folder only.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../..");
const FOLDER = "src/platform/engine/";

/** Names of fields that lead from Socket.IO's documented objects to what is inside. */
const LEADS_INSIDE =
  /\bconn\b|\bio\.engine\b|\{ engine\b|\badapter\.(rooms|sids|on)\b|\bwriteToEngine\b|\bsocket\.(use|client)\b|\b_query\b/;

const files = globSync("src/**/*.ts", { cwd: root }).filter((file) => !file.startsWith(FOLDER));

test("no file outside of src/platform/engine uses the insides of Socket.IO, Engine.IO or ws", () => {
  const found = files.flatMap((file) =>
    readFileSync(join(root, file), "utf8")
      .split("\n")
      .filter((line) => LEADS_INSIDE.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  );
  expect(files.length).toBeGreaterThan(100);
  expect(found).toEqual([]);
});

test("one file of the folder casts into them", () => {
  const casts = globSync(`${FOLDER}*.ts`, { cwd: root }).filter((file) =>
    /\bas (unknown|never|any)\b/.test(readFileSync(join(root, file), "utf8")),
  );
  expect(casts).toEqual([`${FOLDER}insides.ts`]);
});
