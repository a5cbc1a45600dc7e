// Does what a Dockerfile says, in plain folders: enough of it for this project's, on a machine without Docker.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";

export type Image = {
  /** The folder that is the image's root. It has node, but nothing else from the base image. */
  root: string;
  workdir: string;
  env: Record<string, string>;
  labels: Record<string, string>;
  user: string;
  exposes: string[];
  stopSignal: string;
  healthcheck: string[];
  command: string[];
};

type Instruction = { name: string; rest: string };

/** The instructions, in order: comments left out, lines that go on joined. */
export function parseDockerfile(text: string): Instruction[] {
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  return lines
    .join("\n")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [, name, rest] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
      if (!name || rest === undefined) throw new Error(`This is no instruction: ${line}`);
      return { name, rest };
    });
}

/** The files that Docker sends to the build. The last line of .dockerignore that fits a file, or a folder above it, decides. */
export function contextFiles(folder: string): string[] {
  const patterns = readFileSync(join(folder, ".dockerignore"), "utf8").split("\n");
  const rules = patterns
    .filter((line) => line && !line.startsWith("#"))
    .map((line) => ({ isSent: line.startsWith("!"), pattern: globOf(line.replace(/^!/, "").trim()) }));
  const isSent = (path: string) => {
    const names = path.split("/");
    const above = names.map((_, n) => names.slice(0, n + 1).join("/"));
    return rules.findLast(({ pattern }) => above.some((one) => pattern.test(one)))?.isSent ?? true;
  };
  const walk = (at: string): string[] =>
    readdirSync(at, { withFileTypes: true }).flatMap((entry) => {
      const path = join(at, entry.name);
      // Nothing in them is ever sent, and they are large.
      if ([".git", "node_modules"].includes(entry.name)) return [];
      if (entry.isDirectory()) return walk(path);
      return entry.isFile() && isSent(relative(folder, path)) ? [relative(folder, path)] : [];
    });
  return walk(folder);
}

/** As Docker has it: a star stands for hidden files too. */
function globOf(glob: string): RegExp {
  const parts = glob.split(/(\*\*|\*|\?)/);
  const meanings: Record<string, string> = { "**": ".*", "*": "[^/]*", "?": "[^/]" };
  return new RegExp(`^${parts.map((part) => meanings[part] ?? RegExp.escape(part)).join("")}$`);
}

/**
 * Runs the very instructions, each stage in a folder under `into`; the first stage, the base image, has the node that
 * runs this.
 * @throws Error at an instruction, or a form of one, that it doesn't know
 */
export function buildImage(context: string, into: string): Image {
  const stages = new Map<string, Image>();
  let image: Image | undefined;
  const build: Build = { context, sent: contextFiles(context), stages, args: {} };
  for (const { name, rest } of parseDockerfile(readFileSync(join(context, "Dockerfile"), "utf8"))) {
    if (name === "FROM") {
      const [from, as] = rest.split(/\s+AS\s+/) as [string, string?];
      const base = stages.get(from) ?? baseImage(from, join(into, "base-image"));
      const root = join(into, as ?? "final");
      cpSync(base.root, root, { recursive: true });
      image = { ...structuredClone(base), root };
      stages.set(as ?? "final", image);
    } else {
      if (!image) throw new Error(`${name} before FROM`);
      execute(image, { name, rest }, build);
    }
  }
  if (!image) throw new Error("There is no FROM in the Dockerfile.");
  return image;
}

/** Only of Docker's own node images is the version known; it has to be the one that runs this. */
function baseImage(from: string, root: string): Image {
  const expected = `node:${process.versions.node}-bookworm-slim`;
  if (from !== expected) throw new Error(`The base image is ${from}, but these tests run on ${expected}.`);
  mkdirSync(join(root, "usr/local/bin"), { recursive: true });
  cpSync(process.execPath, join(root, "usr/local/bin/node"), { dereference: true });
  return {
    ...{ root, workdir: "/", env: {}, labels: {}, user: "0", exposes: [], stopSignal: "SIGTERM" },
    ...{ healthcheck: [], command: [] },
  };
}

type Build = { context: string; sent: string[]; stages: Map<string, Image>; args: Record<string, string> };

function execute(image: Image, { name, rest }: Instruction, build: Build): void {
  const inside = (path: string) => join(image.root, posix.resolve(image.workdir, path));
  if (name === "WORKDIR") {
    image.workdir = posix.resolve(image.workdir, rest);
    mkdirSync(inside("."), { recursive: true });
  } else if (name === "ENV") Object.assign(image.env, pairs(rest, build.args));
  else if (name === "ARG") Object.assign(build.args, pairs(rest));
  else if (name === "LABEL") Object.assign(image.labels, pairs(rest, build.args));
  else if (name === "USER") image.user = rest;
  else if (name === "EXPOSE") image.exposes.push(rest);
  else if (name === "STOPSIGNAL") image.stopSignal = rest;
  else if (name === "CMD") image.command = JSON.parse(rest);
  else if (name === "HEALTHCHECK") image.healthcheck = JSON.parse(rest.slice(rest.indexOf("CMD ") + 4));
  else if (name === "COPY") copy(rest, inside, build);
  else if (name === "RUN") {
    // The machine's npm stands in for the image's, run by the image's node.
    const env = { ...process.env, ...image.env, PATH: `${inside("/usr/local/bin")}:${process.env.PATH}` };
    execFileSync("sh", ["-ec", rest], { cwd: inside("."), env, stdio: ["ignore", "ignore", "inherit"] });
  } else throw new Error(`${name} is not known here`);
}

function copy(rest: string, inside: (path: string) => string, { context, sent, stages }: Build): void {
  const words = rest.split(/\s+/);
  const [, stage] = /^--from=(.+)$/.exec(words[0] as string) ?? [];
  const [to, ...from] = words.slice(stage ? 1 : 0).reverse() as [string, ...string[]];
  for (const one of from) {
    if (stage) {
      const root = stages.get(stage)?.root;
      if (!root) throw new Error(`There is no stage ${stage}.`);
      cpSync(join(root, one), inside(to), { recursive: true, verbatimSymlinks: true });
      continue;
    }
    const files = sent.filter((file) => file === one || file.startsWith(`${one}/`));
    if (files.length === 0) throw new Error(`COPY ${one}: nothing of it is sent to the build`);
    for (const file of files) {
      const target = file === one && to.endsWith("/") ? join(inside(to), file) : join(inside(to), relative(one, file));
      mkdirSync(dirname(target), { recursive: true });
      cpSync(join(context, file), target);
    }
  }
}

/** `A=1 B="two words"`, with ${A} taken from `values`. */
function pairs(text: string, values: Record<string, string> = {}): Record<string, string> {
  const found = text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g);
  return Object.fromEntries(
    [...found].map(([, name, quoted, plain]) => [
      name,
      (quoted ?? plain ?? "").replaceAll(/\$\{(\w+)\}/g, (_, variable: string) => values[variable] ?? ""),
    ]),
  );
}

/** How many bytes the files in it have, links not followed. */
export function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
