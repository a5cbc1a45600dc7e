// Keeps words and forms that are hard to read out of comments, documents, test titles, messages and names:
//   node scripts/run.mjs scripts/check-words.ts [paths …]
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { findingsIn } from "./words/findings.ts";

/** It gives examples of what the check finds. */
const EXAMPLES = "test/scripts/check-words.test.ts";
const READABLE = /\.(?:ts|mjs|md|sql|prisma|ya?ml|cfg|sh)$|(?:^|\/)(?:Dockerfile|\.env\.example)$/;

const given = process.argv.slice(2);
const pathspecs = [...(given.length > 0 ? given : ["."]), `:!${EXAMPLES}`];
const listed = spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", ...pathspecs]);
if (listed.status !== 0) throw new Error(`git ls-files: ${listed.stderr}`);
const paths = String(listed.stdout)
  .split("\n")
  .filter((path) => READABLE.test(path) && existsSync(path));
const findings = paths.flatMap((path) =>
  findingsIn(path, readFileSync(path, "utf8")).map(
    ({ line, text, instead }) => `${path}:${line}: ${text} → ${instead}`,
  ),
);
for (const finding of findings) console.error(finding);
process.exitCode = findings.length > 0 ? 1 : 0;
