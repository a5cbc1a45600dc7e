import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { findProgram, requireProgram } from "../support/programs.ts";
import type { KubeObject } from "./objects.ts";

export const k8s = join(import.meta.dirname, "../../k8s");

/** The command that renders a kustomization: kubectl's own, or the tool by itself. */
function kustomize(): [file: string, ...args: string[]] {
  const kubectl = findProgram({
    ...{ name: "kubectl", binaries: ["kubectl"], atLeast: 5, otherwise: "" },
    ...{ versionArgs: ["version", "--client"], versionPattern: /Kustomize Version: v(\d+)/ },
  });
  if (kubectl) return [kubectl, "kustomize"];
  const tool = requireProgram({
    ...{ name: "kustomize", binaries: ["kustomize"], atLeast: 5, versionArgs: ["version"] },
    go: "go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1",
    otherwise: "install kubectl 1.27 or newer, which has it",
  });
  return [tool, "build"];
}

/** The objects that `kubectl apply -k` would send for a folder of k8s/. */
export function render(folder: string, from = k8s): KubeObject[] {
  const [file, ...args] = kustomize();
  const { status, stdout, stderr } = spawnSync(file, [...args, join(from, folder)], { encoding: "utf8" });
  if (status !== 0 || stderr !== "") throw new Error(`${folder} can't be rendered:\n${stderr}`);
  return parseAllDocuments(stdout).map((document) => document.toJS());
}

/** The same in a copy with an edited file, as the pages describe it. */
export function renderEdited(folder: string, file: string, edit: (text: string) => string): KubeObject[] {
  const copy = mkdtempSync(join(tmpdir(), "test-k8s-"));
  try {
    cpSync(k8s, copy, { recursive: true });
    const path = join(copy, file);
    const text = readFileSync(path, "utf8");
    const edited = edit(text);
    if (edited === text) throw new Error(`${file} is still the same after the edit`);
    writeFileSync(path, edited);
    return render(folder, copy);
  } finally {
    rmSync(copy, { recursive: true });
  }
}

/** Everything that somebody may apply. */
export function variants(): Record<string, KubeObject[]> {
  const production = "overlays/production";
  const withGateway = (text: string) => text.replace("- ../../components/ingress", "- ../../components/gateway");
  return {
    local: render("overlays/local"),
    "production with Ingress": render(production),
    "production with Gateway API": renderEdited(production, `${production}/kustomization.yaml`, withGateway),
  };
}
