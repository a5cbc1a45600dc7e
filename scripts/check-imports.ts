// Checks the imports in src/ against the rules below, and that no folders import each other in a circle. Types count as
// well. `npm run check` runs it.

import { dirname, join } from "node:path";
import { cruise, type ICruiseResult, type IForbiddenRuleType } from "dependency-cruiser";

/** Patterns of paths from the project's root. */
const rules: IForbiddenRuleType[] = [
  {
    name: "platform-without-product",
    comment: "src/platform has no product words: it imports nothing else of src",
    from: { path: "^src/platform/" },
    to: { path: "^src/(?!platform/)" },
  },
  {
    name: "contract-alone",
    comment: "src/contract also runs in browsers: it imports typebox and itself, nothing else",
    from: { path: "^src/contract/" },
    to: { pathNot: ["^src/contract/", "(^|/)node_modules/typebox/"] },
  },
  {
    name: "chat-without-carriers",
    comment:
      "src/chat says what the product means: it doesn't import what stores or carries it; use a port of src/chat",
    from: { path: "^src/chat/" },
    to: { path: "^src/(realtime|http|delivery|store|metrics|config)/" },
  },
  {
    name: "insides-in-engine",
    comment: "only src/platform/engine uses the insides of Socket.IO, Engine.IO and ws: use a function of that folder",
    from: { path: "^src/(?!platform/engine/)" },
    to: {
      path: [
        "^src/platform/engine/insides[.]ts$",
        "(^|/)node_modules/(engine[.]io|engine[.]io-parser|ws|socket[.]io-adapter|socket[.]io-parser|@socket[.]io/[^/]+)/",
      ],
    },
  },
  {
    name: "programs-on-top",
    comment: "src/main.ts, src/admin.ts and what they put together are imported by no folder",
    from: { path: "^src/[^/]+/" },
    to: { path: "^src/[^/]+$" },
  },
  {
    name: "found",
    comment: "every import is found: the other rules don't see one that isn't",
    from: {},
    to: { couldNotResolve: true },
  },
];

/** Answers a sentence for each import of `root`/src that breaks a rule, and for each circle of folders. */
export async function checkImports(root: string): Promise<string[]> {
  const { output } = await cruise(
    ["src"],
    {
      baseDir: root,
      validate: true,
      ruleSet: { forbidden: rules },
      // TypeScript 7 has no API yet; swc's parser sees `import type` as well.
      parser: "swc",
      exclude: { path: "/generated/" },
      doNotFollow: { path: "node_modules" },
    },
    { extensions: [".ts", ".js"], exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
  );
  const { modules, summary } = output as ICruiseResult;
  const comments = new Map(rules.map(({ name, comment }) => [name, comment]));
  const broken = summary.violations.map(
    ({ from, to, rule }) => `${from} imports ${to}: ${comments.get(rule.name)} (${rule.name})`,
  );
  return [...broken, ...circlesOf(modules)];
}

/** Each subfolder is a folder of its own, and so is each file of src itself. */
function folderOf(file: string): string {
  return dirname(file) === "src" ? file : dirname(file);
}

/** A sentence for each shortest circle of folders, with an import for each step of it. */
function circlesOf(modules: ICruiseResult["modules"]): string[] {
  const imports = new Map<string, Map<string, string>>();
  for (const { source, dependencies } of modules) {
    for (const { resolved } of dependencies) {
      const [from, to] = [folderOf(source), folderOf(resolved)];
      if (from === to || !resolved.startsWith("src/")) continue;
      const ofFolder = imports.get(from) ?? new Map<string, string>();
      imports.set(from, ofFolder.set(to, `${source} imports ${resolved}`));
    }
  }
  const circles = new Map<string, string>();
  for (const folder of imports.keys()) {
    const steps = wayBack(imports, folder);
    if (steps)
      circles.set([...steps].sort().join(), `folders import each other: ${steps.join(", ")} (no-folder-cycle)`);
  }
  return [...circles.values()];
}

/** The fewest imports that lead from a folder over others back to itself; null when none do. */
function wayBack(imports: Map<string, Map<string, string>>, folder: string): string[] | null {
  const ways = [...(imports.get(folder) ?? [])].map(([to, step]) => ({ to, steps: [step] }));
  const seen = new Set<string>();
  for (const { to, steps } of ways) {
    if (to === folder) return steps;
    if (seen.has(to)) continue;
    seen.add(to);
    for (const [next, step] of imports.get(to) ?? []) ways.push({ to: next, steps: [...steps, step] });
  }
  return null;
}

if (import.meta.main) {
  const complaints = await checkImports(join(import.meta.dirname, ".."));
  for (const complaint of complaints) console.error(complaint);
  if (complaints.length > 0) process.exitCode = 1;
}
