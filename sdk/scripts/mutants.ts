// Breaks the client library on purpose, once for each mutant below, and checks that a test notices it. It breaks a copy of
// the sources in a temporary folder.
// node sdk/scripts/mutants.ts [part of a name]

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Mutant {
  name: string;
  /** In sdk/src. */
  file: string;
  from: string;
  to: string;
}

export const mutants: Mutant[] = [
  {
    name: "a repeated message is shown twice",
    file: "state/log.ts",
    from: "if (list[at - 1]?.seq !== seq) {",
    to: "{",
  },
  {
    name: "messages are shown in the order of arrival",
    file: "state/log.ts",
    from: "while (at > 0 && seqOf(list[at - 1] as Message<C>) > seq) at--;",
    to: "",
  },
  {
    name: "stale pages stay when a snapshot doesn't join on",
    file: "state/log.ts",
    from: "const joins = held.whole >= first - 1 && held.floor <= first;",
    to: "const joins = true;",
  },
  {
    name: "a page that came too late joins on",
    file: "state/log.ts",
    from: "if (before < held.floor && held.floor !== Number.POSITIVE_INFINITY) return null;",
    to: "",
  },
  {
    name: "the outbox isn't stored",
    file: "connection/outbox.ts",
    from: "if (one.entry.owner) one.saved = write(storage.put(one.entry), one);",
    to: "",
  },
  {
    name: "a message is sent before it is stored",
    file: "connection/outbox.ts",
    from: "one.saved.then(() => {",
    to: "Promise.resolve().then(() => {",
  },
  {
    name: "a chat's messages are sent all at once",
    file: "connection/outbox.ts",
    from: "const one = lane.isBusy || lane.timer ? undefined : all.find((other) => isNext(other, name));",
    to: "const one = lane.timer ? undefined : all.find((other) => isNext(other, name) && other.sent === 0);",
  },
  {
    name: "the messages of another user are sent",
    file: "connection/outbox.ts",
    from: "const isMine = ({ entry }: Waiting) => entry.owner === owner;",
    to: "const isMine = (_: Waiting) => true;",
  },
  {
    name: "a refused message is given up, although it could go on",
    file: "errors.ts",
    from: "const goOn = /^(?:tooFast|busy",
    to: "const goOn = /^(?:busy",
  },
  {
    name: "the rest of a closed chat's queue goes on",
    file: "connection/outbox.ts",
    from: "if (!endsQueue(failure)) return;",
    to: "return;",
  },
  {
    name: "a message that was sent can be taken back",
    file: "connection/outbox.ts",
    from: "if (one.sent > 0) {",
    to: "if (one.sent > 9) {",
  },
  {
    name: "the next call of token() doesn't wait for the cancelled one",
    file: "connection/token.ts",
    from: "if (waited) await Promise.race([waited, over]);",
    to: "",
  },
  {
    name: "a token is renewed by this machine's clock alone",
    file: "connection/token.ts",
    from: "(left > 0 && left < life ? left : life)",
    to: "left",
  },
  {
    name: "clients come back in lock-step",
    file: "connection/backoff.ts",
    from: "leastMs + Math.random() *",
    to: "leastMs + 0.5 *",
  },
  {
    name: "a lost claim isn't repeated",
    file: "connection/direct-link.ts",
    from: "const ATTEMPTS = 3;",
    to: "const ATTEMPTS = 1;",
  },
  {
    name: "stop() leaves by the namespace",
    file: "connection/session.ts",
    from: 'connection?.close("close");',
    to: 'connection?.close("leave");',
  },
  {
    name: "a claimed chat stays in the queue",
    file: "state/staff-edit.ts",
    from: "if (old.isCounted || next.queue.length < view.queueTotal) view.queueTotal--;",
    to: "",
  },
  {
    name: "unchanged data is copied",
    file: "state/share.ts",
    from: "return (isSame && old ? old : Object.freeze(copy)) as T;",
    to: "return Object.freeze(copy) as T;",
  },
  {
    name: "each input calls the subscribers",
    file: "store.ts",
    from: "queueMicrotask(flush);",
    to: "flush();",
  },
];

const root = join(import.meta.dirname, "../..");
const tests = [
  "outbox",
  "outbox-storage",
  "session",
  "staff-client",
  "staff-queue",
  "state",
  "tokens",
  "visitor-client",
  "wake",
];

/** A copy of the library and its tests, which may be broken. */
function copyTo(folder: string): void {
  for (const part of ["sdk/src", "test/sdk"]) cpSync(join(root, part), join(folder, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{"type": "module"}');
}

/** Whether the tests in this folder fail with this break. */
function isNoticed(folder: string, { file, from, to }: Mutant): boolean {
  const path = join(folder, "sdk/src", file);
  const source = readFileSync(path, "utf8");
  if (source.split(from).length !== 2) throw new Error(`${file} doesn't have once: ${from}`);
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, "node_modules/vitest/vitest.mjs"), "run", "--root", folder, "--bail=1", "--maxWorkers=1"].concat(
      tests.map((name) => `test/sdk/${name}.test.ts`),
    ),
    { cwd: folder, encoding: "utf8" },
  );
  writeFileSync(path, source);
  if (from === to && status !== 0) throw new Error(`The tests fail without a break: ${stdout}${stderr}`);
  return status !== 0;
}

if (import.meta.main) {
  const folder = mkdtempSync(join(tmpdir(), "mutants-"));
  try {
    copyTo(folder);
    const same = "export class ChatError";
    isNoticed(folder, { name: "no break", file: "errors.ts", from: same, to: same });
    for (const mutant of mutants.filter(({ name }) => name.includes(process.argv[2] ?? ""))) {
      const noticed = isNoticed(folder, mutant);
      console.log(`${noticed ? "noticed" : "NOT NOTICED"}: ${mutant.name}`);
      if (!noticed) process.exitCode = 1;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
