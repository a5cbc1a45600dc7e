// Programs that tests start: found on this machine, else installed on it.
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { delimiter, join } from "node:path";

export type Program = {
  name: string;
  /** Any of them will do. */
  binaries: string[];
  /** Where else than on the PATH they may be, as glob patterns. */
  folders?: string[];
  /** Major version, as the program prints it when it gets `versionArgs` (`--version` by default). */
  atLeast: number;
  versionArgs?: string[];
  /** Where in that text it is, when it isn't the first number. */
  versionPattern?: RegExp;
  /** Shell commands that install it on Debian, as root. */
  apt?: string;
  /** Shell commands that build it with Go into the folder $GOBIN. */
  go?: string;
  /** Another way to install it, for people without apt and Go. */
  otherwise: string;
};

/** Programs that are built for the tests, not for the machine, stay in the project. */
const built = join(import.meta.dirname, "../../node_modules/.cache/bin");

/** The program's file; one that is missing is installed where that is possible. */
export function findProgram(program: Program): string | undefined {
  return findBinary(program) ?? install(program);
}

/** @throws Error that says how to get it */
export function requireProgram(program: Program): string {
  const file = findProgram(program);
  if (file) return file;
  const { name, binaries, atLeast, apt, otherwise } = program;
  const root = apt ? "run this once as root on Debian, or " : "";
  throw new Error(
    `This needs ${name} ${atLeast} or newer, as ${binaries.join(" or ")} on this machine: ${root}${otherwise}.`,
  );
}

function findBinary({ binaries, folders = [], atLeast, ...how }: Program): string | undefined {
  const onPath = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  const newestFirst = globSync(folders).sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
  return [...onPath, built, ...newestFirst]
    .flatMap((folder) => binaries.map((binary) => join(folder, binary)))
    .find((file) => majorVersion(file, how) >= atLeast);
}

function majorVersion(
  file: string,
  { versionArgs = ["--version"], versionPattern = /(\d+)/ }: Pick<Program, "versionArgs" | "versionPattern">,
): number {
  const { stdout } = spawnSync(file, versionArgs, { encoding: "utf8" });
  return Number(versionPattern.exec(String(stdout))?.[1]);
}

function install({ name, apt, go, ...program }: Program): string | undefined {
  if (apt && process.getuid?.() === 0 && succeeds("apt-get", ["--version"])) {
    console.log(`${name} is missing: installing it with apt-get, which can take a minute.`);
    run(`apt-get update\n${apt}`, { DEBIAN_FRONTEND: "noninteractive" });
  } else if (go && succeeds("go", ["version"])) {
    console.log(`${name} is missing: building it with Go, which can take some minutes.`);
    run(go, { GOBIN: built });
  }
  return findBinary({ name, ...program });
}

function run(script: string, env: Record<string, string>): void {
  spawnSync("sh", ["-ec", script], { stdio: "inherit", env: { ...process.env, ...env } });
}

export function succeeds(command: string, args: string[], stdio: "ignore" | "inherit" = "ignore"): boolean {
  return spawnSync(command, args, { stdio }).status === 0;
}
