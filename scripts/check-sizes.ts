// Checks that files stay readable at a sitting: at most 250 lines, unless the first line is a comment that begins with
// "Long because". The median of all files is at most 80 lines. `npm run check` runs it.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const MAX_LINES = 250;
const MAX_MEDIAN = 80;
const FOLDERS = ["src", "sdk", "web", "test", "bench", "scripts"];
const REASON = /^(?:\/\/|\/\*\*?) Long because /;

export type Sized = { path: string; text: string };

const linesOf = (text: string): number => text.replace(/\n$/, "").split("\n").length;

/** Answers a sentence for each long file without a reason, and for a median that is too high. */
export function checkSizes(files: Sized[]): string[] {
  const sizes = files.map(({ path, text }) => ({ path, lines: linesOf(text), hasReason: REASON.test(text) }));
  const tooLong = sizes
    .filter(({ lines, hasReason }) => lines > MAX_LINES && !hasReason)
    .map(({ path, lines }) => `${path}: ${lines} lines; split it, or begin its first line with "// Long because"`);
  const median = sizes.map(({ lines }) => lines).sort((a, b) => a - b)[Math.floor((sizes.length - 1) / 2)] ?? 0;
  if (median > MAX_MEDIAN) tooLong.push(`the median file has ${median} lines; at most ${MAX_MEDIAN}`);
  return tooLong;
}

if (import.meta.main) {
  const root = join(import.meta.dirname, "..");
  const listed = spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", ...FOLDERS], {
    cwd: root,
  });
  if (listed.status !== 0) throw new Error(`git ls-files: ${listed.stderr}`);
  const paths = String(listed.stdout)
    .split("\n")
    .filter((path) => /\.(?:ts|tsx|mjs)$/.test(path) && existsSync(join(root, path)));
  const complaints = checkSizes(paths.map((path) => ({ path, text: readFileSync(join(root, path), "utf8") })));
  for (const complaint of complaints) console.error(complaint);
  if (complaints.length > 0) process.exitCode = 1;
}
