// Folders for the embedded database.
import { readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

const modules = join(import.meta.dirname, "../../node_modules");
const cache = join(modules, ".cache");
const { version } = JSON.parse(readFileSync(join(modules, "@electric-sql/pglite/package.json"), "utf8"));

/** The folder that PGlite makes when there is none. The project keeps a copy, because making one takes 3 s of CPU. */
const emptyCluster = join(cache, `pglite-${version}`);

const folders: string[] = [];
afterAll(() => Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true }))));

/**
 * A DATA_DIR of the caller's own, with a PostgreSQL that is still empty: no migrations, no accounts.
 * A test of the very first start names a missing folder instead.
 */
export async function newDataDir(): Promise<string> {
  await keepEmptyCluster();
  const folder = await mkdtemp(join(tmpdir(), "pod-"));
  folders.push(folder);
  await cp(emptyCluster, join(folder, "data/postgres"), { recursive: true });
  return join(folder, "data");
}

async function keepEmptyCluster(): Promise<void> {
  if (await stat(emptyCluster).catch(() => undefined)) return;
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, "pglite-making-"));
  const { PGlite } = await import("@electric-sql/pglite");
  await (await PGlite.create(join(folder, "cluster"))).close();
  // The cluster of another test file that was faster is as good.
  await rename(join(folder, "cluster"), emptyCluster).catch(() => {});
  await rm(folder, { recursive: true });
}
