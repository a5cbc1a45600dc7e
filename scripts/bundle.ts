import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";

/**
 * Bundles and minifies a module for browsers, and answers its text. `folder` is where the module's imports are looked up.
 * @param code the module's text
 * @param external packages that stay imports
 */
export async function bundle(code: string, folder: string, external: string[] = []): Promise<string> {
  const entry = join(folder, "entry-of-the-bundle.ts");
  const result = await build({
    root: folder,
    configFile: false,
    logLevel: "error",
    define: { "process.env.NODE_ENV": '"production"' },
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === entry ? id : null),
        load: (id) => (id === entry ? code : null),
      },
    ],
    build: {
      write: false,
      target: "es2022",
      minify: true,
      modulePreload: false,
      rolldownOptions: {
        ...{ input: entry, external, preserveEntrySignatures: "strict" },
        output: { format: "es", codeSplitting: false },
      },
    },
  });
  if (!("output" in result)) throw new Error("The build has made no single module");
  return result.output[0].code;
}

/** The size in bytes as a server sends it, compressed by gzip -9. */
export const gzipSize = (text: string): number => gzipSync(text, { level: 9 }).length;
