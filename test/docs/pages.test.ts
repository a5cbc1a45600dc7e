import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const pages = globSync(["*.md", "docs/*.md", "k8s/*.md"], { cwd: root });
const read = (page: string) => readFileSync(join(root, page), "utf8");

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

const withoutPrograms = (text: string) => text.replace(/```.*?```/gs, "");
const anchorsOf = (page: string) =>
  [...withoutPrograms(read(page)).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading as string));

test("there are pages", () => {
  expect(pages).toEqual(expect.arrayContaining(["README.md", "docs/PROTOCOL.md", "docs/HTTP.md"]));
});

test("README.md has at most 200 lines", () => {
  expect(read("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(200);
});

describe.each(pages)("%s", (page) => {
  test("links to files and headings that exist", () => {
    const links = [...withoutPrograms(read(page)).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(
      ([, link]) => link as string,
    );
    for (const link of links) {
      const [file, anchor] = link.split("#");
      const target = file ? join(dirname(page), file) : page;
      expect(existsSync(join(root, target)), link).toBe(true);
      if (anchor) expect(anchorsOf(target), link).toContain(anchor);
    }
  });

  test("names only files of the project that exist", () => {
    const named = [
      ...read(page).matchAll(/(?<![\w/.])((?:src|test|scripts|bench|prisma|k8s|compose|docs)\/[\w./-]*\w)/g),
    ];
    for (const [, file] of named) expect(existsSync(join(root, file as string)), file).toBe(true);
  });

  test("names only npm scripts that exist", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const named = [...read(page).matchAll(/npm (?:run (?:-s )?([\w:]+)|(start|test)\b)/g)].map(
      ([, run, other]) => run ?? other,
    );
    for (const name of named) expect(Object.keys(scripts)).toContain(name);
  });
});
