// The client library as people get it: packed, and installed into an empty folder.
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");
const execute = promisify(execFile);
const npm = (folder: string, ...args: string[]) =>
  execute("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline"], { cwd: folder });

/**
 * Packs the library into a new folder. Answers the tarball's file. `npm test` has built the library already. Tests at the
 * same time need what was built, so only `isBuilt: false` builds it again.
 */
export async function packLibrary({ isBuilt = true } = {}): Promise<{ file: string; remove(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "sdk-packed-"));
  await npm(join(root, "sdk"), "pack", "--pack-destination", folder, ...(isBuilt ? ["--ignore-scripts"] : []));
  const [name] = readdirSync(folder);
  if (!name) throw new Error("npm pack has made no file");
  return { file: join(folder, name), remove: () => rm(folder, { recursive: true }) };
}

/** An empty folder with these packages, and nothing of this project. */
export async function installInto(...packages: string[]): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "sdk-user-"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "user", private: true, type: "module" }));
  await npm(folder, "install", ...packages);
  return { folder, remove: () => rm(folder, { recursive: true }) };
}
