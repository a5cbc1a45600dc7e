import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { type findProgram, requireProgram } from "./programs.ts";

export const monitoring = join(import.meta.dirname, "../../k8s/monitoring");

export type Alert = {
  alert: string;
  expr: string;
  for?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
};
const rules = parse(readFileSync(join(monitoring, "prometheus-rule.yaml"), "utf8")).spec as {
  groups: { name: string; rules: Alert[] }[];
};
export const alerts = rules.groups.flatMap((group) => group.rules);

const program: Parameters<typeof findProgram>[0] = {
  name: "promtool",
  binaries: ["promtool"],
  atLeast: 2,
  // Debian's package would start a Prometheus.
  apt: `test -e /usr/sbin/policy-rc.d || {
      trap 'rm -f /usr/sbin/policy-rc.d' EXIT
      printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
      chmod +x /usr/sbin/policy-rc.d
    }
    apt-get install -y --no-install-recommends prometheus`,
  otherwise: "install Prometheus (macOS: brew install prometheus)",
};

/** Runs promtool in a folder with the rules, as Prometheus reads them, in `rules.yaml`, and these files as JSON. */
export function promtool(
  args: string[],
  files: Record<string, unknown> = {},
): { status: number | null; output: string } {
  const cwd = mkdtempSync(join(tmpdir(), "promtool-"));
  // JSON is YAML.
  for (const [name, content] of Object.entries({ "rules.yaml": rules, ...files }))
    writeFileSync(join(cwd, name), JSON.stringify(content));
  const { status, stdout, stderr } = spawnSync(requireProgram(program), args, { cwd, encoding: "utf8" });
  return { status, output: stdout + stderr };
}
