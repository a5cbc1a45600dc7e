// Runs a TypeScript file of the project, or a tool from node_modules/.bin, on a machine that may have nothing yet:
//   node scripts/run.mjs [node options] src/main.ts [args]
//   node scripts/run.mjs vitest run
//
// First brings dependencies, the generated database client and the client library up to date, when their sources have
// changed.
// Plain JavaScript for Node >= 20.19: it runs before the project's own Node is there. Its messages go to stderr, so that
// what the program prints stays clean.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join, relative } from "node:path";

const root = join(import.meta.dirname, "..");
const bin = join(root, "node_modules", ".bin");
const given = process.argv.slice(2);
const options = given.slice(
  0,
  given.findIndex((one) => !one.startsWith("--")),
);
const [program, ...args] = given.slice(options.length);

upToDate("dependencies", ["package-lock.json"], () =>
  step("Installing dependencies (the first time takes about a minute)", "npm", [
    ...["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"],
  ]),
);
upToDate("client", ["package-lock.json", "prisma/schema.prisma"], () =>
  // Prisma looks for an engine binary that `generate` never runs; naming any program keeps it from downloading one.
  step("Generating the database client", join(bin, "prisma"), ["generate"], {
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    PRISMA_HIDE_UPDATE_MESSAGE: "1",
  }),
);
upToDate("library", ["package-lock.json", "sdk/tsconfig.json", ...filesIn("sdk/src")], () => {
  // It may have files of removed sources.
  rmSync(join(root, "sdk/dist"), { recursive: true, force: true });
  step("Building the client library", join(bin, "tsc"), ["-p", "sdk"]);
});

const env = {
  // Node keeps compiled code there, so that the next start takes a quarter less CPU.
  NODE_COMPILE_CACHE: join(root, "node_modules", ".cache", "compiled"),
  ...process.env,
  // The devDependency `node` is the version the project runs on, whatever the machine has: first on the PATH.
  PATH: `${bin}${delimiter}${process.env.PATH}`,
};
const envFile = existsSync(join(root, ".env")) ? ["--env-file=.env"] : [];
const command = program.endsWith(".ts") ? ["node", [...options, ...envFile, program, ...args]] : [program, args];
const child = spawn(...command, { cwd: root, env, stdio: "inherit", shell: process.platform === "win32" });
let isSignalled = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    isSignalled = true;
    child.kill(signal);
  });
}
// npm signals the shell between itself and this program, and sh (dash) then dies silently.
const parent = process.ppid;
const watch = setInterval(() => {
  if (process.ppid === parent || !process.env.npm_lifecycle_event) return;
  clearInterval(watch);
  // A second signal would end it on the spot.
  if (!isSignalled) child.kill("SIGTERM");
}, 200);
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));

/** Runs `work` unless it ran before for these very files; remembers it in node_modules. */
function upToDate(name, files, work) {
  const stamp = join(root, "node_modules", `.${name}-stamp`);
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(join(root, file)));
  const wanted = hash.digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  work();
  // A copy of the folder by hard links has a stamp of its own from now on.
  rmSync(stamp, { force: true });
  writeFileSync(stamp, wanted);
}

/** All files below a folder, in a fixed order. */
function filesIn(folder) {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return files.map((file) => relative(root, file)).sort();
}

function step(title, file, stepArgs, env = {}) {
  console.error(`${title} …`);
  const { status, error } = spawnSync(file, stepArgs, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status === 0) return;
  console.error(`${title}: failed (${error?.message ?? `exit code ${status}`}). The lines above say why.`);
  process.exit(1);
}
