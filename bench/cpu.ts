// Reads the CPU time of processes, and the number of their system calls, from Linux's /proc.
import { readdirSync, readFileSync } from "node:fs";

/** Microseconds of CPU time. */
export type CpuTime = { user: number; system: number };

/** The kernel reports CPU time in hundredths of a second, at any frequency of its own clock. */
const TICK_US = 10_000;

export function cpuOf(pids: number[]): CpuTime {
  const times = pids.map((pid) => statOf(pid));
  return { user: sum(times.map(({ user }) => user)), system: sum(times.map(({ system }) => system)) };
}

/** The CPU time of a process and its children, including children that have ended. */
export function cpuOfTree(pid: number): CpuTime {
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => tryStatOf(Number(name)))
    .filter((stat) => stat?.parent === pid);
  const own = statOf(pid);
  return {
    user: own.user + own.endedUser + sum(children.map((child) => child?.user ?? 0)),
    system: own.system + own.endedSystem + sum(children.map((child) => child?.system ?? 0)),
  };
}

/** How often the processes have read or written so far. Each system call counts once, with any number of bytes. */
export const callsOf = (pids: number[]): number =>
  sum(
    pids.flatMap((pid) =>
      [...readFileSync(`/proc/${pid}/io`, "utf8").matchAll(/^sysc[rw]: (\d+)$/gm)].map(([, count]) => Number(count)),
    ),
  );

export const total = ({ user, system }: CpuTime): number => user + system;

export const since = (before: CpuTime, now: CpuTime): CpuTime => ({
  user: now.user - before.user,
  system: now.system - before.system,
});

const sum = (numbers: number[]) => numbers.reduce((all, one) => all + one, 0);

function statOf(pid: number) {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name, in brackets, may contain spaces and brackets. The text after the last bracket begins with the third field.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = (field: number) => Number(fields[field - 3]) * TICK_US;
  return {
    parent: Number(fields[1]),
    ...{ user: ticks(14), system: ticks(15), endedUser: ticks(16), endedSystem: ticks(17) },
  };
}

function tryStatOf(pid: number) {
  try {
    return statOf(pid);
  } catch {
    return undefined; // the process has just ended
  }
}
