import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { Environment } from "../../src/config/environment.ts";

describe(".env.example", () => {
  const lines = readFileSync(join(import.meta.dirname, "../../.env.example"), "utf8").split("\n");
  type Variable = { default?: unknown; description?: string };

  test("has every variable there is, commented out, with its default, below its description", () => {
    const found = lines.flatMap((line, n) => (/^#[A-Z\d_]+=/.test(line) ? [{ line, above: lines[n - 1] }] : []));
    expect(found).toEqual(
      Object.entries(Environment.properties as Record<string, Variable>).map(
        ([name, { default: initial = "", description }]) => ({
          line: `#${name}=${initial}`,
          above: `# ${description}`,
        }),
      ),
    );
  });

  test("sets nothing by itself", () => {
    expect(lines.filter((line) => line !== "" && !line.startsWith("#"))).toEqual([]);
  });
});

test("compose.yaml passes every variable of .env on to the pods, except the image's own", () => {
  const { services } = parse(readFileSync(join(import.meta.dirname, "../../compose.yaml"), "utf8"), { merge: true });
  const ofImage = ["PORT", "HOST", "DATA_DIR", "NODE_ENV"];
  const passedOn = Object.keys(services.pod1.environment);
  expect([...passedOn, ...ofImage].sort()).toEqual(Object.keys(Environment.properties).sort());
});
